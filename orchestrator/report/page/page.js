(() => {
const read = name => JSON.parse(document.getElementById(name).textContent);
const all = read("listed"), flags = read("flags"), AT_ONCE = 100;
const list = document.getElementById("list"), chosen = document.getElementById("chosen");
const more = document.getElementById("more"), every = document.getElementById("every");
const order = document.getElementById("order");
let shown = AT_ONCE;

const several = value => Array.isArray(value) ? value : [value];
const fits = (run, choice) => Object.entries(choice).every(
  ([key, wanted]) => several(wanted).some(each => several(run[key]).includes(each)));

function choice() {
  try {
    return JSON.parse(decodeURIComponent(location.hash.replace(/^#runs=/, ""))) || {};
  } catch {
    return {};
  }
}

function put(parent, tag, text, name) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (name) element.className = name;
  parent.append(element);
  return element;
}

function item(run) {
  const line = document.createElement("li"), figures = put(line, "div", "", "figures");
  const known = [run.at, run.model || run.models.join(", "), run.cost, run.strategy, run.task,
    run.latency === null ? null : `${(run.latency / 1000).toFixed(2)} s`,
    run.confidence === null ? null : `confidence ${run.confidence.toFixed(2)}`,
    run.rating === null ? null : `rated ${run.rating}`];
  for (const text of known) if (text) put(figures, "span", text);
  if (run.status !== "complete") put(figures, "span", [run.status, ...run.errors].join(": "), "failed");
  else if (run.errors.length) put(figures, "span", `on the way: ${run.errors.join(", ")}`);
  put(line, "div", run.prompt === null ? "(the prompt was not kept)" : run.prompt, "prompt");
  put(line, "code", `orch show ${run.run}${flags}`);
  return line;
}

const words = {span: read("unit"), models: "model", model: "model", legs: "leg", bin: "confidence",
               failures: "error", errors: "error", rated: "rated", budgets: "budget", run: "run", strategy: "strategy"};
const tenth = value => `${(value / 10).toFixed(1)} to ${((value + 1) / 10).toFixed(1)}`;

function told(wanted) {
  const parts = Object.entries(wanted).map(([key, value]) =>
    key === "rated" ? "rated" : `${words[key] || key} ${key === "bin" ? tenth(value) : several(value).join(", ")}`);
  return parts.length ? parts.join("; ") : "all that are listed";
}

function show() {
  const wanted = choice(), found = all.filter(run => fits(run, wanted));
  if (order.value === "cost") found.sort((a, b) => b.nanousd - a.nanousd);
  chosen.textContent = `${told(wanted)}: ${found.length} listed`;
  list.replaceChildren(...found.slice(0, shown).map(item));
  more.hidden = found.length <= shown;
  every.hidden = !Object.keys(wanted).length;
}

function choose(wanted) {
  shown = AT_ONCE;
  location.hash = `runs=${encodeURIComponent(JSON.stringify(wanted))}`;
}

document.addEventListener("chosen", event => event.detail && event.detail.runs && choose(event.detail.runs));
document.addEventListener("click", event => {
  const button = event.target.closest("[data-choice]");
  if (button) choose(JSON.parse(button.dataset.choice));
});
more.addEventListener("click", () => { shown += AT_ONCE; show(); });
every.addEventListener("click", () => choose({}));
order.addEventListener("change", show);
addEventListener("hashchange", () => {
  show();
  if (location.hash.startsWith("#runs=")) document.getElementById("runs").scrollIntoView();
});
show();
})();
