"""Small programs that the simulator knows by heart, as data: by task and language."""

from __future__ import annotations

import re

from ...expressions import expression

_REVERSE_PY = """\
def reverse(text: str) -> str:
    return text[::-1]"""
_REVERSE_JS = """\
function reverse(text) {
  return [...text].reverse().join('');
}"""

_FIBONACCI_PY = """\
def fibonacci(n: int) -> int:
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a"""
_FIBONACCI_JS = """\
function fibonacci(n) {
  let [a, b] = [0, 1];
  for (let i = 0; i < n; i++) [a, b] = [b, a + b];
  return a;
}"""

_FACTORIAL_PY = """\
def factorial(n: int) -> int:
    product = 1
    for factor in range(2, n + 1):
        product *= factor
    return product"""
_FACTORIAL_JS = """\
function factorial(n) {
  let product = 1;
  for (let i = 2; i <= n; i++) product *= i;
  return product;
}"""

_PALINDROME_PY = """\
def is_palindrome(text: str) -> bool:
    letters = [c.lower() for c in text if c.isalnum()]
    return letters == letters[::-1]"""
_PALINDROME_JS = """\
function isPalindrome(text) {
  const letters = text.toLowerCase().replace(/[^a-z0-9]/g, '');
  return letters === [...letters].reverse().join('');
}"""

_PRIME_PY = """\
def is_prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))"""
_PRIME_JS = """\
function isPrime(n) {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return n > 1;
}"""

_BINARY_SEARCH_PY = """\
def binary_search(items: list[int], target: int) -> int:
    low, high = 0, len(items) - 1
    while low <= high:
        middle = (low + high) // 2
        if items[middle] == target:
            return middle
        if items[middle] < target:
            low = middle + 1
        else:
            high = middle - 1
    return -1"""
_BINARY_SEARCH_JS = """\
function binarySearch(items, target) {
  let [low, high] = [0, items.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (items[middle] === target) return middle;
    if (items[middle] < target) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}"""

# Words that call for a task, the name of its function, and its source in each language there is.
SNIPPETS: tuple[tuple[re.Pattern[str], str, dict[str, str]], ...] = tuple(
    (expression(rf"\b{words}\b", re.IGNORECASE), name, {"python": python, "javascript": javascript})
    for words, name, python, javascript in (
        ("fibonacci", "fibonacci", _FIBONACCI_PY, _FIBONACCI_JS),
        ("factorial", "factorial", _FACTORIAL_PY, _FACTORIAL_JS),
        ("palindromes?", "is_palindrome", _PALINDROME_PY, _PALINDROME_JS),
        ("primes?", "is_prime", _PRIME_PY, _PRIME_JS),
        ("binary search", "binary_search", _BINARY_SEARCH_PY, _BINARY_SEARCH_JS),
        ("reverses?", "reverse", _REVERSE_PY, _REVERSE_JS),
    )
)

# For any other task: a function over a list that keeps what is valid. NAME stands for its name.
SKELETONS: dict[str, str] = {
    "python": '''\
def NAME(items: list[str]) -> list[str]:
    """Keep the valid items, in order and once each."""
    return list(dict.fromkeys(item.strip() for item in items if item.strip()))''',
    "javascript": """\
function NAME(items) {
  return [...new Set(items.map((item) => item.trim()).filter(Boolean))];
}""",
    "typescript": """\
export function NAME(items: string[]): string[] {
  return [...new Set(items.map((item) => item.trim()).filter(Boolean))];
}""",
    "go": """\
func NAME(items []string) []string {
\tseen := map[string]bool{}
\tvar kept []string
\tfor _, item := range items {
\t\tif item != "" && !seen[item] {
\t\t\tseen[item] = true
\t\t\tkept = append(kept, item)
\t\t}
\t}
\treturn kept
}""",
    "rust": """\
fn NAME(items: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for item in items {
        if !item.is_empty() && !kept.contains(item) {
            kept.push(item.clone());
        }
    }
    kept
}""",
    "java": """\
static List<String> NAME(List<String> items) {
    return items.stream().map(String::trim).filter(item -> !item.isEmpty()).distinct().toList();
}""",
    "sql": """\
SELECT customer_id, COUNT(*) AS orders, SUM(total) AS revenue
FROM orders
WHERE created_at >= DATE('now', '-30 days')
GROUP BY customer_id
ORDER BY revenue DESC;""",
    "bash": """\
#!/usr/bin/env bash
set -euo pipefail

NAME() {
  sort -u -- "${1:?a file is needed}"
}

NAME "$@\"""",
}
