# ruff: noqa: E501, SIM905, RUF005
"""Write the pairs of prompts by which the semantic cache is measured: tests/paraphrase/pairs.jsonl.gz.

    .venv/bin/python scripts/paraphrase_pairs.py [FILE]

Each pair has two prompts, whether they ask the same, and for which kind of difference it stands. All sentences are made
up here; `{}` in them is filled in from the lists.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "tests" / "paraphrase" / "pairs.jsonl.gz"

COUNTRIES = "France,Germany,Japan,Brazil,Kenya,Canada,India,Peru,Norway,Egypt".split(",")
THINGS = "photosynthesis,inflation,a black hole,the greenhouse effect,blockchain,recursion,a solar eclipse,gravity,osmosis,a hash table".split(
    ","
)
PLANTS = "tomatoes,roses,basil,orchids,mint,lettuce".split(",")
FOODS = "raw eggs,green potatoes,unripe bananas,expired yogurt,apple seeds,frozen meat".split(",")
ILLS = "diabetes,asthma,anemia,migraine,malaria,arthritis".split(",")
SUBJECTS = (
    "remote work,nuclear power,electric cars,homeschooling,solar panels,fasting,microservices,open offices".split(",")
)
CODE = "reverse a string,sort a list of tuples,parse a date,read a file line by line,remove duplicates from a list,count the words in a file".split(
    ","
)
LANGUAGES = "Python,Rust,Java,Go,Ruby,JavaScript".split(",")
GIT = (
    "undo the last commit,rename a branch,delete a remote branch,stash my changes,squash commits,revert a merge".split(
        ","
    )
)
DUOS = [
    "TCP and UDP",
    "a list and a tuple",
    "a virus and a bacterium",
    "weather and climate",
    "RAM and ROM",
    "a crocodile and an alligator",
]

# What means the same: each two of the sentences of a group are a pair.
SAME: list[tuple[list[str], list[str]]] = [
    (["What is {}?", "Explain {}", "Can you explain {} to me?", "could you please explain what {} is?", "what's {}"], THINGS),
    (["What is the capital of {}?", "what's {}'s capital?", "Tell me what the capital of {} is.", "Name the capital city of {}"], COUNTRIES),
    (["How do I grow {}?", "How can I grow {}?", "how to grow {}", "What is the way to grow {}?", "Please tell me how to grow {}."], PLANTS),
    (["Is it safe to eat {}?", "is eating {} safe?", "I was wondering, is it safe to eat {}?", "Tell me whether it is safe to eat {}."], FOODS),
    (["What are the symptoms of {}?", "Which symptoms does {} have?", "what are {} symptoms", "Could you tell me what the symptoms of {} are?"], ILLS),
    (["What are the advantages of {}?", "What are the benefits of {}?", "what are {}'s advantages?", "Hi, what are the pros of {}? Thanks!"], SUBJECTS),
    (["How do I {} in Python?", "In Python, how can I {}?", "how to {} using Python", "Can you show me how to {} in Python please?"], CODE),
    (["How do I {} in git?", "how can I {} in git", "Hey, how would one {} in git?", "What is the way to {} in git?"], GIT),
    (["Write a Python function to {}.", "Write a function in Python to {}", "please write a Python function to {}"], CODE),
    (["Why is {} important?", "Explain why {} is important.", "why's {} important", "What is the reason that {} is important?"], SUBJECTS),
    (["What causes {}?", "what is the cause of {}?", "Can you tell me what causes {}?", "Why does {} happen?"], ILLS + ["inflation", "rain"]),
]  # fmt: skip

# What does not mean the same: the kind of difference, two sentences, and what fills them.
OTHER: list[tuple[str, str, str, list[str]]] = [
    ("negation", "Is it safe to eat {}?", "Is it unsafe to eat {}?", FOODS),
    ("negation", "Why is {} popular?", "Why is {} not popular?", SUBJECTS),
    ("negation", "Which countries allow {}?", "Which countries do not allow {}?", SUBJECTS),
    ("negation", "How do I grow {} with fertilizer?", "How do I grow {} without fertilizer?", PLANTS),
    ("negation", "List foods that are good for {}", "List foods that are bad for {}", ILLS),
    ("negation", "Is {} curable?", "Is {} incurable?", ILLS),
    ("negation", "Can {} be prevented?", "Can't {} be prevented?", ILLS),
    ("antonym", "What are the pros of {}?", "What are the cons of {}?", SUBJECTS),
    ("antonym", "Why did {} increase in the last years?", "Why did {} decrease in the last years?", SUBJECTS),
    ("antonym", "What is the largest city in {}?", "What is the smallest city in {}?", COUNTRIES),
    ("antonym", "Who was the first leader of {}?", "Who was the last leader of {}?", COUNTRIES),
    ("antonym", "What should I do before planting {}?", "What should I do after planting {}?", PLANTS),
    ("antonym", "What is the minimum wage in {}?", "What is the maximum wage in {}?", COUNTRIES),
    ("antonym", "What does {} export?", "What does {} import?", COUNTRIES),
    ("antonym", "How do I freeze {}?", "How do I thaw {}?", FOODS),
    ("number", "Give me 3 facts about {}", "Give me 5 facts about {}", THINGS),
    ("number", "List ten reasons for {}", "List twelve reasons for {}", SUBJECTS),
    ("number", "What was the population of {} in 1990?", "What was the population of {} in 1991?", COUNTRIES),
    ("number", "How much is 15% of the budget of {}?", "How much is 25% of the budget of {}?", COUNTRIES),
    ("number", "Summarize {} in 100 words", "Summarize {} in 200 words", THINGS),
    ("unit", "How many kilometers is it across {}?", "How many miles is it across {}?", COUNTRIES),
    ("unit", "How long do I cook {} in minutes?", "How long do I cook {} in hours?", FOODS),
    ("unit", "How do I store 5 kg of {}?", "How do I store 5 g of {}?", PLANTS),
    ("direction", "How do I fly from {} to Chile?", "How do I fly from Chile to {}?", COUNTRIES),
    ("direction", "Who won when {} played against Spain, and by how much did {} lead?", "Who won when Spain played against {}, and by how much did Spain lead?", COUNTRIES),
    ("direction", "Is {} bigger than Italy?", "Is Italy bigger than {}?", COUNTRIES),
    ("direction", "Does {} cause stress?", "Does stress cause {}?", ILLS),
    ("direction", "When did {} invade Sweden?", "When did Sweden invade {}?", COUNTRIES),
    ("tense", "Who is the president of {}?", "Who was the president of {}?", COUNTRIES),
    ("tense", "How do people grow {}?", "How did people grow {}?", PLANTS),
    ("tense", "Is {} profitable?", "Will {} be profitable?", SUBJECTS),
    ("mood", "Can I eat {}?", "Should I eat {}?", FOODS),
    ("mood", "Must I refrigerate {}?", "May I refrigerate {}?", FOODS),
    ("quantity", "Are all {} edible?", "Are some {} edible?", PLANTS),
    ("quantity", "Do most people in {} speak English?", "Do few people in {} speak English?", COUNTRIES),
    ("quantity", "Give me an example of {}", "Give me examples of {}", THINGS),
    ("question", "How did {} become popular?", "Why did {} become popular?", SUBJECTS),
    ("question", "When was {} founded?", "Where was {} founded?", COUNTRIES),
    ("question", "Who invented {}?", "When was {} invented?", THINGS),
    ("question", "What is {}?", "How does {} work?", THINGS),
    ("question", "How many {} should I plant?", "How often should I water {}?", PLANTS),
    ("form", "Explain {}", "Explain {} in one sentence", THINGS),
    ("form", "Explain {}", "Explain {} to a five-year-old", THINGS),
    ("form", "What are the symptoms of {}?", "List the symptoms of {} as JSON", ILLS),
    ("form", "Write a poem about {}", "Write a story about {}", THINGS),
    ("form", "Summarize the history of {}", "Explain the history of {} in detail", COUNTRIES),
    ("task", "Explain this approach to {}", "Fix this approach to {}", THINGS),
    ("task", "Write a function to {} in Python", "Write a test for a function to {} in Python", CODE),
    ("condition", "Is it safe to eat {}?", "Is it safe to eat {} during pregnancy?", FOODS),
    ("condition", "How do I grow {}?", "How do I grow {} indoors?", PLANTS),
    ("condition", "How do I {} in git?", "How do I {} in git if it was already pushed?", GIT),
    ("condition", "How do I {} in Python?", "How do I {} in Python without a loop?", CODE),
    ("version", "How do I {} in Python 3.10?", "How do I {} in Python 3.1?", CODE),
    ("version", "How do I {} in Python 2?", "How do I {} in Python 3?", CODE),
    ("language", "How do I {} in Python?", "How do I {} in Rust?", CODE),
    ("language", "Write a function to {} in Java", "Write a function to {} in JavaScript", CODE),
    ("language", "Explain {} in German", "Explain {} in French", THINGS),
    ("language", "What is {}?", "Qu'est-ce que {} ?", THINGS),
    ("names", "What is the currency of {}?", "What is the currency of Mexico?", COUNTRIES),
    ("names", "How do I {} in git?", "How do I {} in Mercurial?", GIT),
    ("quoted", 'What does "{}" mean?', 'What does "{} too" mean?', THINGS),
    ("code", "What does `{}(x)` return?", "What does `{}(y)` return?", ["len", "sum", "max", "sorted", "abs", "set"]),
    ("near", "What is the weight of {}?", "What is the mass of {}?", PLANTS),
    ("near", "Is {} contagious?", "Is {} hereditary?", ILLS),
    ("near", "How accurate are forecasts for {}?", "How precise are forecasts for {}?", COUNTRIES),
    ("near", "What is the treatment for {}?", "What is the test for {}?", ILLS),
    ("near", "Is {} legal?", "Is {} ethical?", SUBJECTS),
    ("near", "How do I {} in git?", "How do I {} in git and push it?", GIT),
]  # fmt: skip
# Each two of these ask something else, though only the name is another.
NAMED: list[tuple[str, list[str]]] = [
    ("What is the capital of {}?", COUNTRIES), ("Explain {}", THINGS), ("How do I grow {}?", PLANTS),
    ("What are the symptoms of {}?", ILLS), ("What are the benefits of {}?", SUBJECTS), ("How do I {} in git?", GIT),
    ("How do I read a CSV file in {}?", LANGUAGES), ("What is the difference between {}?", DUOS),
    ("Can I eat {} every day?", FOODS), ("Write a Python function to {}", CODE),
    ("Who rules {}?", COUNTRIES), ("Is {} contagious?", ILLS),
]  # fmt: skip

# As people put it: two ways to ask the same, then two questions that are near each other and not the same.
SAID_SAME = """
How do I undo the last git commit? | How can I revert my most recent git commit?
What causes inflation? | Why does inflation occur?
How does a car engine work? | Can you explain how a car engine works?
What's the difference between viruses and bacteria? | How do viruses differ from bacteria?
What is the boiling point of water? | At what temperature does water boil?
How do I make pancakes? | What is a good way to make pancakes?
How do I make pancakes from scratch? | how can i make pancakes from scratch?
Who wrote Hamlet? | who is the author of Hamlet?
Who painted the Mona Lisa? | By whom was the Mona Lisa painted?
When did World War II end? | When did the Second World War end?
What year did the Berlin Wall fall? | In which year did the Berlin Wall fall?
How many planets are in the solar system? | What is the number of planets in the solar system?
How many bones does an adult human have? | how many bones are in an adult human?
What is the tallest mountain in the world? | Which mountain is the tallest in the world?
What's the tallest mountain on earth? | Tell me what the tallest mountain on Earth is.
How can I improve my credit score? | What can I do to improve my credit score?
How do I learn to play guitar? | How can I learn playing the guitar?
Why do cats purr? | What is the reason cats purr?
Why do cats purr? | Can you tell me why cats purr?
Explain how vaccines work. | How do vaccines work?
Explain the theory of relativity. | What is the theory of relativity?
What does GDP stand for? | What does the abbreviation GDP mean?
What is machine learning? | Explain ML
What are the steps to change a tire? | How do I change a tire?
Summarize the plot of Moby Dick. | Give me a summary of the plot of Moby Dick.
Translate 'good morning' into Spanish. | How do you say 'good morning' in Spanish?
Is coffee bad for your heart? | Is coffee bad for the heart?
Should I use tabs or spaces? | Should I use spaces or tabs?
Is tea healthier than coffee? | Tell me whether tea is healthier than coffee.
How do I install numpy? | how to install numpy
How do I exit vim? | How can I quit vim?
How do I check my Python version? | How can I see which Python version I have?
How do I list all files in a directory in bash? | How do I list all files in a folder in bash?
How do I create a virtual environment in Python? | In Python, how do I create a virtual environment?
What is a closure in JavaScript? | What's a closure in JS?
What does the static keyword do in Java? | In Java, what does the static keyword do?
Write a haiku about autumn. | Please write me a haiku about autumn.
Write a SQL query that finds duplicate rows. | Write a SQL query to find duplicate rows.
Write a regular expression that matches email addresses. | Write a regex to match email addresses.
How do I convert a string to an integer in Java? | How can I convert strings to integers in Java?
How do I delete a table in SQL? | How do I remove a table in SQL?
What is the time complexity of quicksort? | What's quicksort's time complexity?
What's the meaning of serendipity? | What does serendipity mean?
Define entropy. | What is entropy?
What is the population of Tokyo? | How many people live in Tokyo?
What's the fastest land animal? | Which land animal is the fastest?
Who discovered penicillin? | Who was the discoverer of penicillin?
How far away is the moon? | What is the distance to the moon?
How old is the universe? | What is the age of the universe?
How do plants make food? | How is food made by plants?
Is it legal to record phone calls? | Is recording phone calls legal?
What are common causes of headaches? | What are the common causes of a headache?
What are the main causes of the French Revolution? | What were the main causes of the French Revolution?
How can I get rid of ants? | How do I get rid of ants?
Compare Python and Ruby. | Give me a comparison of Ruby and Python.
What are the pros and cons of remote work? | What are the advantages and disadvantages of remote work?
I want to know how rainbows form. | How do rainbows form?
Hi! Could you tell me how to tie a tie? Thanks | How do I tie a tie?
How long does it take to fly to Mars? | What time does it take to fly to Mars?
What happens when you mix bleach and vinegar? | What happens if I mix bleach and vinegar?
How do I reset my iPhone? | how do you reset an iPhone
What is the square root of 144? | Calculate the square root of 144.
What is 15% of 80? | Calculate 15 percent of 80
What does HTTP 404 mean? | What's the meaning of HTTP 404?
How do I merge two dictionaries in Python? | How can one merge 2 dictionaries in Python?
Describe the water cycle. | Explain the water cycle.
Why is the sky blue? | How come the sky is blue?
Who is the CEO of Microsoft? | Who's Microsoft's CEO?
Where is the Eiffel Tower located? | Where is the Eiffel Tower?
What are some good books about history? | Can you recommend some good books about history?
List the planets of the solar system. | Name the planets of the solar system.
What foods are rich in iron? | Which foods are rich in iron?
How do you pronounce 'quinoa'? | How is 'quinoa' pronounced?
"""
SAID_OTHER = """
Who loves John? | Who does John love?
What eats owls? | What do owls eat?
Who taught Plato? | Who did Plato teach?
What did the cat break? | What broke the cat?
A man eating fish: what is it? | A man-eating fish: what is it?
I saw her duck. What did I see? | I saw her, duck. What did I see?
Stop, clubbing! | Stop clubbing!
Is nothing better than tea? | Is anything better than tea?
Is it not raining? | Is it raining?
Are you not tired? | Are you tired?
How can I not cry? | How can I cry?
Why can't penguins fly? | Why can penguins fly?
Which animals can't swim? | Which animals can swim?
What is unbiased data? | What is biased data?
What is an atypical case? | What is a typical case?
Is the result reversible? | Is the result irreversible?
Is honesty overvalued? | Is honesty undervalued?
How do I disconnect a cable? | How do I connect a cable?
How do I reconnect a cable? | How do I connect a cable?
How do I preheat the oven? | How do I reheat the oven?
How do I mislead a team? | How do I lead a team?
How do I undress a wound? | How do I dress a wound?
What is postwar art? | What is prewar art?
What is inbound traffic? | What is outbound traffic?
What is upstream? | What is downstream?
What is the input of a map? | What is the output of a map?
What is an ascending scale? | What is a descending scale?
What is a client-side cache? | What is a server-side cache?
Is light a wave? | Is light a particle?
Is the sun hot? | Is the sun big?
How hot is the sun? | How hot is the moon?
Can a plane land on water? | Can a plane float on water?
What is a plane? | What is an airplane?
What is a var? | What is a variable?
What is the main function? | What is the key function?
Who is the lead? | What is lead?
How do I raise a child? | How do I increase a child?
What is a mean? | What is meant?
What is the mean? | What does mean mean?
What is a set in math? | What is a set in tennis?
What is a pitcher in baseball? | What is a pitcher in the kitchen?
Is C hard to learn? | Is C# hard to learn?
Is F# functional? | Is C# functional?
What is .NET? | What is NET?
What is Node.js? | What is node?
What does rm -r do? | What does rm -f do?
What does ls -la do? | What does ls -l do?
Explain --force | Explain --force-with-lease
What is HTTP? | What is HTTPS?
What is IPv4? | What is IPv6?
What is a 401? | What is a 403?
What is port 80? | What is port 8080?
Is 0.1 + 0.2 == 0.3? | Is 0.1 + 0.2 = 0.3?
What is 7 mod 3? | What is 7 mod 4?
What is 3^2? | What is 2^3?
What is 12/4? | What is 4/12?
What is (2+3)*4? | What is 2+3*4?
What is 1,000 + 1? | What is 1.000 + 1?
What is 10 to the power of 2? | What is 2 to the power of 10?
What is 20 percent of 50? | What is 50 percent off 20?
Convert 5 lb to kg | Convert 5 kg to lb
Convert 100 USD to EUR | Convert 100 EUR to USD
Is it 5 °C or 5 °F? | Is it 5 °F or 50 °C?
How far is 5 miles? | How far is 5 nautical miles?
Meet at 12 noon or midnight? | Meet at 12 midnight?
How long is two weeks? | How long is two fortnights?
What day is in 3 days? | What day was 3 days ago?
When is Easter 2025? | When is Easter 2026?
Who won in 1998? | Who won in 1989?
What is chapter 3 about? | What is chapter 13 about?
Who was Henry VIII? | Who was Henry VII?
Who was Elizabeth I? | Who was Elizabeth II?
Where is Georgia, the state? | Where is Georgia, the country?
Where is Paris, Texas? | Where is Paris, France?
What is Amazon's size? | What is an amazon's size?
What is WHO? | Who is who?
What does IT do? | What does it do?
Is May warm? | May I warm?
Who is Bill? | What is a bill?
What is Python's weight? | What is Python's speed?
Where is the University of Miami? | Where is Miami University?
What is the Bank of America? | What is America's bank?
Who is the king of Spain? | Who was the king of Spain?
Who is the King? | Who is a king?
Is this a dagger? | Is that a dagger?
What are these? | What are those?
Fix this | Explain this
Shorten it | Lengthen it
Continue | Stop
Yes | No
Good morning | Good night
Hello world in C | Hello world in D
Thank you in Thai? | Goodbye in Thai?
Tell me a story | Tell me a joke
Tell me a joke | Tell me two jokes
Tell me about yourself | Tell me about myself
Write a song for me | Write a song about me
Write to me | Write for me
Give me a hint | Give me the answer
Give me five names for dogs | Give me five names of dogs
Give three reasons for war | Give three reasons against war
Make it shorter | Make it longer
Should all guns be banned? | Should no guns be banned?
Should I trust him? | Should I trust her?
Did she call him? | Did he call her?
Has anyone called? | Has someone called?
Will it ever end? | Will it never end?
Must I go? | Need I go?
May I go? | Can he go?
Would you rather fly? | Would you rather walk?
Had I known, would I go? | Have I known, would I go?
If only it worked. Why? | It only worked if. Why?
Cook the rice, then the beans. How? | Cook the beans, then the rice. How?
First add milk, then tea. Why? | First add tea, then milk. Why?
Explain A before B | Explain B before A
Does A imply B? | Does B imply A?
Is A a subset of B? | Is B a subset of A?
Is 5 less than 7? | Is 7 less than 5?
How do I map a network drive? | How do I drive a network map?
What is a guest list? | What is a list guest?
What is a house boat? | What is a boat house?
What is chocolate milk? | What is milk chocolate?
What is a pocket watch? | What is a watch pocket?
What is a race horse? | What is a horse race?
What is a computer science? | What is science of computers for?
Describe a typical day of a nurse | Describe a nurse of a typical day
How is the art of war? | How is the war of art?
What is the theory of a joke? | What is the joke of a theory?
What is a colony of ants? | What is an ant of colonies?
Can doctors lie to patients? | Can patients lie to doctors?
Do parents learn from children? | Do children learn from parents?
Is Bob taller than Ann? | Is Ann taller than Bob?
Does 3 divide 12? | Does 12 divide 3?
Who sold Alaska to the US? | Who sold the US to Alaska?
How do I import from A into B? | How do I import from B into A?
How do I go from zero to one? | How do I go from one to zero?
Is it safe to sleep with contact lenses? | Is it unsafe to sleep with contact lenses?
Is it safe to mix bleach and ammonia? | Is it safe to mix bleach and water?
How do I turn on dark mode? | How do I turn off dark mode?
How do I enable cookies? | How do I disable cookies?
How do I encode a string in base64? | How do I decode a string in base64?
How do I lock a file? | How do I unlock a file?
How do I gain weight? | How do I lose weight?
What are the signs of a heart attack? | What are the signs of a panic attack?
What happens before the loop ends? | What happens after the loop ends?
Who is called Maria? | Who called Maria?
The dog bit the man. Who is hurt? | The man bit the dog. Who is hurt?
Does smoking cause cancer? | Does cancer cause smoking?
Why does the cat chase the mouse? | Why does the mouse chase the cat?
Is Paris north of London? | Is London north of Paris?
Translate hello from English to French | Translate hello from French to English
How do I convert Celsius to Fahrenheit? | How do I convert Fahrenheit to Celsius?
How do I call C++ from Python? | How do I call Python from C++?
How do I copy a file from the server to my laptop? | How do I copy a file from my laptop to the server?
Subtract 5 from 9 | Subtract 9 from 5
Divide 8 by 2 | Divide 2 by 8
What is 17*23? | What is 17*24?
What is 2^10? | What is 2*10?
What is 10 - 3? | What is 10 + 3?
What is -5 + 3? | What is 5 + 3?
Solve x^2 - 4 = 0 | Solve x^2 + 4 = 0
What is the derivative of sin(x)? | What is the integral of sin(x)?
How much is 5 feet in meters? | How much is 5 meters in feet?
What was the weather on 3 May 2024? | What was the weather on 5 March 2024?
Events of 01/02/2024 | Events of 02/01/2024
Is the shop open from 9 to 5? | Is the shop open from 5 to 9?
What is Turkey's population? | What is turkey's calorie count?
How do apples grow? | How does Apple grow?
How do I polish shoes? | How do I buy Polish shoes?
Who are you? | Who am I?
What is your name? | What is my name?
Can I get a refund? | Can you get a refund?
Do I need a visa for Japan? | Do I need a Visa for Japan?
Which planet is closest to the sun? | Which planet is farthest from the sun?
Which country has the most people? | Which country has the fewest people?
Is a tomato a fruit? | Is a tomato a vegetable?
Are all swans white? | Are any swans white?
Do all birds fly? | Do no birds fly?
Is at least one prime even? | Is at most one prime even?
Give me one tip for interviews | Give me tips for interviews
Name a planet | Name the planets
What is a planet? | What are the planets?
Who is the author of this? | Who are the authors of this?
How do I remove the first element of a list? | How do I remove the last element of a list?
How do I sort ascending? | How do I sort descending?
How do I sort a list in place? | How do I sort a copy of a list?
How do I round up? | How do I round down?
What is the best laptop under $500? | What is the best laptop over $500?
What is the best laptop under $500? | What is the best laptop under €500?
How do I write to a file? | How do I read from a file?
How do I push to main? | How do I pull from main?
How do I upgrade pip? | How do I update pip?
How do I compile this? | How do I interpret this?
How do I encrypt a password? | How do I hash a password?
How do I authenticate a user? | How do I authorize a user?
What is concurrency? | What is parallelism?
What is latency? | What is throughput?
What is speed? | What is velocity?
What is the mean of 3, 5 and 9? | What is the median of 3, 5 and 9?
How do I open main.py? | How do I open main.rs?
What does foo_bar do? | What does foo_baz do?
What does getName() return? | What does getname() return?
Explain `a += 1` | Explain `a =+ 1`
Explain "to be or not to be" | Explain "to be and not to be"
What does 'its' mean? | What does 'it's' mean?
Write the answer in one sentence. What is a cell? | Write the answer in two sentences. What is a cell?
Explain briefly how DNS works | Explain in detail how DNS works
Explain how DNS works | Explain why DNS works
Explain DNS as a table | Explain DNS as a list
Write a formal email to my boss | Write an informal email to my boss
Write an email to my boss | Write an email to my team
Write an email accepting the offer | Write an email declining the offer
Write a poem with rhyme | Write a poem without rhyme
Convert this to uppercase: hello | Convert this to lowercase: hello
Is 7 a prime number? | Is 9 a prime number?
What is the third planet? | What is the fourth planet?
What is the US doing? | What is us doing?
Did the company hire him? | Did he hire the company?
Should I have paid? | Should I pay?
Had they won? | Have they won?
Could this fail? | Did this fail?
Is it raining? | Was it raining?
If it rains, should I water the plants? | If it does not rain, should I water the plants?
Unless it rains, should I water the plants? | If it rains, should I water the plants?
Only adults may enter. Who may enter? | Even adults may enter. Who may enter?
He rarely smokes. Is that bad? | He often smokes. Is that bad?
Which is better for beginners? | Which is better for experts?
What can I eat on a diet? | What can't I eat on a diet?
How do I stop a service on Linux? | How do I stop a service on Windows?
How do I start a service on Linux? | How do I stop a service on Linux?
How do I use tabs in Vim? | How do I use tabs in Emacs?
Is Go faster than Rust? | Is Rust faster than Go?
How do I use React 18? | How do I use React 17?
Install numpy 1.26 | Install numpy 1.2
What is covered by plan A? | What is covered by plan B?
What did Alice tell Bob? | What did Bob tell Alice?
What did Alice tell Bob about Carol? | What did Alice tell Carol about Bob?
Who beat whom, Spain or Italy? | Who did Spain beat in Italy?
"""


def pairs() -> Iterator[dict[str, object]]:
    """All pairs, each once."""
    for sentences, fillers in SAME:
        for filler in fillers:
            for one, other in combinations(sentences, 2):
                yield {
                    "a": one.replace("{}", filler),
                    "b": other.replace("{}", filler),
                    "same": True,
                    "kind": "template",
                }
    for kind, one, other, fillers in OTHER:
        for filler in fillers:
            yield {"a": one.replace("{}", filler), "b": other.replace("{}", filler), "same": False, "kind": kind}
    for template, fillers in NAMED:
        for one, other in combinations(fillers, 2):
            yield {"a": template.replace("{}", one), "b": template.replace("{}", other), "same": False, "kind": "names"}
    for text, same in ((SAID_SAME, True), (SAID_OTHER, False)):
        for line in text.strip().splitlines():
            one, other = line.split(" | ")
            yield {"a": one, "b": other, "same": same, "kind": "as said"}


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    lines = "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs())
    target.write_bytes(gzip.compress(lines.encode(), mtime=0))
    print(f"{lines.count(chr(10)):,} pairs, {target.stat().st_size:,} bytes in {target}")


if __name__ == "__main__":
    main()
