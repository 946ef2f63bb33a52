// Parts that several views use.
import { html, useEffect, useState } from "./preact.js";
import { act, changed, curl, fakeNow, link, store, useStore } from "./api.js";

// Times.

export function duration(ms) {
  const units = [["d", 86400000], ["h", 3600000], ["min", 60000], ["s", 1000]];
  for (const [name, size] of units) {
    if (ms >= 2 * size) return `${Math.floor(ms / size)} ${name}`;
  }
  return `${Math.round(ms)} ms`;
}

export function Time({ at }) {
  if (!at) return html`<span class="soft">–</span>`;
  const [day, time] = at.split("T");
  const isToday = new Date(fakeNow()).toISOString().startsWith(day);
  return html`<time datetime=${at} title=${at}>${isToday ? "" : `${day} `}${time.replace("Z", "")}</time>`;
}

export function Age({ at }) {
  const passed = fakeNow() - Date.parse(at);
  return html`<span title=${at}>${passed < 0 ? `in ${duration(-passed)}` : duration(passed)}</span>`;
}

// A word and its color; the word alone tells the meaning.
const COLORS = {
  completed: "good", done: "good", error: "bad", failed: "bad", "not sent": "bad", canceled: "soft",
  pending: "wait", owed: "wait", recorded: "soft", in_progress: "wait", staging: "soft",
};

export function Status({ text }) {
  return html`<span class=${COLORS[String(text).split(":")[0]] ?? ""}>${text}</span>`;
}

export function Failure({ error }) {
  return error ? html`<p class="bad">${error.message}</p>` : null;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea"); // without https there is no clipboard
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  changed({ status: "Copied." });
}

export function Copy({ text, label = "copy" }) {
  return html`<button type="button" onClick=${() => copy(typeof text === "function" ? text() : text)}>${label}</button>`;
}

export function save(name, text, type = "application/json") {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const anchor = Object.assign(document.createElement("a"), { href: url, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

export function Curl({ operation, args }) {
  const line = curl(operation, args);
  return html`<details class="curl"><summary>curl</summary><pre>${line}</pre><${Copy} text=${line} /></details>`;
}

// Actions. Each is a call of the control interface.

// The fields of a form for arguments, from the schemas that the control interface tells.
function Field({ name, schema, value, onInput, id, choices }) {
  const kinds = [schema?.type ?? "object"].flat();
  const isRequired = schema?.required;
  const label = `${name}${isRequired ? "" : " (optional)"}`;
  if (choices) {
    return html`<span class="field"><label for=${id}>${label}</label>
      <select id=${id} value=${value} onChange=${(it) => onInput(it.target.value)}>
        ${choices.map((it) => html`<option value=${it}>${it}</option>`)}
      </select></span>`;
  }
  if (kinds.includes("boolean")) {
    return html`<label class="check" for=${id}><input id=${id} type="checkbox" checked=${value === "true"}
      onChange=${(it) => onInput(String(it.target.checked))} />${name}</label>`;
  }
  const takesJson = !kinds.includes("string") && !kinds.includes("number") && !kinds.includes("integer");
  if (takesJson) {
    return html`<label for=${id}>${label}, as JSON
      <textarea id=${id} value=${value} onInput=${(it) => onInput(it.target.value)}></textarea></label>`;
  }
  return html`<label for=${id}>${label}
    <input id=${id} value=${value} onInput=${(it) => onInput(it.target.value)} size="18" /></label>`;
}

function readField(name, text, schema) {
  const kinds = [schema?.type ?? "object"].flat();
  if (kinds.includes("boolean")) return text === "true";
  if ((kinds.includes("number") || kinds.includes("integer")) && /^-?\d+(\.\d+)?$/.test(text.trim())) return Number(text);
  if (kinds.includes("string")) return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} is not JSON: ${error.message}`);
  }
}

function readFields(asks, texts, known) {
  const given = {};
  for (const name of asks) {
    if (texts[name]) given[name] = readField(name, texts[name], known[name]);
  }
  return given;
}

let forms = 0;

// A button that does an operation. With `ask`, it opens a form for these arguments first.
export function Do({ op, label, args = {}, ask = [], start = {}, choices = {}, confirm, onDone, disabled }) {
  const { operations } = useStore();
  const [isOpen, open] = useState(false);
  const [texts, setTexts] = useState(start);
  const [problem, setProblem] = useState(null);
  const [number] = useState(() => (forms += 1));
  const known = operations?.[op]?.arguments ?? {};
  const readAll = () => ({ ...args, ...readFields(ask, texts, known) });
  const run = async (event) => {
    event?.preventDefault();
    try {
      const result = await act(op, readAll());
      setProblem(null);
      open(false);
      onDone?.(result);
    } catch (error) {
      setProblem(error);
    }
  };
  const needsStep = ask.length > 0 || confirm;
  let shown = args;
  try {
    shown = readAll();
  } catch {
    // The line shows what is readable so far.
  }
  const button = html`<button type="button" disabled=${disabled} aria-expanded=${needsStep ? isOpen : undefined}
    onClick=${() => (needsStep ? open(!isOpen) : run())}>${label}</button>`;
  if (!isOpen) return html`<span class="row">${button}<${Curl} operation=${op} args=${shown} /><${Failure} error=${problem} /></span>`;
  return html`<div>${button}
    <form onSubmit=${run}>
      ${ask.map((name) => html`<${Field} key=${name} name=${name} id=${`f${number}-${name}`} schema=${known[name]}
        choices=${choices[name]} value=${texts[name] ?? ""} onInput=${(text) => setTexts({ ...texts, [name]: text })} />`)}
      ${confirm && html`<span class="bad">${confirm}</span>`}
      <button type="submit">${confirm ? `Yes, ${label}` : `Do: ${label}`}</button>
      <${Curl} operation=${op} args=${shown} />
    </form><${Failure} error=${problem} /></div>`;
}

// A value as a folding tree. Texts of others are only ever text.

const MOST = 100;

function Leaf({ value }) {
  if (typeof value !== "string") return html`<span>${JSON.stringify(value)}</span>`;
  if (/^https?:\/\//.test(value)) {
    return html`"<a href=${value} rel="noreferrer noopener" target="_blank">${value}</a>"`;
  }
  return html`<span>${JSON.stringify(value)}</span>`;
}

function Node({ name, value, path, marked, depth }) {
  const isMarked = marked && path === marked;
  const leads = marked && (isMarked || marked.startsWith(`${path}.`) || path === "");
  const [isOpen, open] = useState(depth < 2 || Boolean(leads));
  const [most, setMost] = useState(MOST);
  const head = name === null ? "" : isMarked ? html`<mark>${name}</mark>: ` : html`<span class="soft">${name}</span>: `;
  if (value === null || typeof value !== "object") {
    return html`<div class="leaf">${head}<${Leaf} value=${value} />${isMarked && html` <b class="bad">← refused</b>`}</div>`;
  }
  const entries = Object.entries(value);
  const kind = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  return html`<details open=${isOpen} onToggle=${(it) => open(it.target.open)}>
    <summary>${head}${kind}${isMarked && html` <b class="bad">← refused</b>`}</summary>
    ${isOpen && entries.slice(0, most).map(([key, item]) => html`<${Node} key=${key} name=${key} value=${item}
      path=${path ? `${path}.${key}` : key} marked=${marked} depth=${depth + 1} />`)}
    ${isOpen && entries.length > most && html`<button type="button" onClick=${() => setMost(most * 10)}>${entries.length - most} more</button>`}
  </details>`;
}

// `marked` is the path of a member that was refused. A missing one is told above the tree.
export function Tree({ value, marked }) {
  const isThere = marked && has(value, marked.split("."));
  return html`<div class="tree">${marked && !isThere && html`<p class="bad"><mark>${marked}</mark> is missing here.</p>`}
    <${Node} name=${null} value=${value} path="" marked=${isThere ? marked : null} depth=${0} /></div>`;
}

function has(value, [first, ...rest]) {
  if (first === undefined) return true;
  return value !== null && typeof value === "object" && first in value && has(value[first], rest);
}

export function pretty(value) {
  return JSON.stringify(value, null, 2);
}

// Return a JSON value as a Python literal.
export function python(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, it]) => `${JSON.stringify(name)}: ${python(it)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}

// Filters in the address.

export function useFilters(names) {
  const { route } = useStore();
  const filters = Object.fromEntries(names.map((name) => [name, route.query.get(name)]).filter(([, it]) => it));
  const set = (name, value) => {
    const query = new URLSearchParams(route.query);
    if (value) query.set(name, value);
    else query.delete(name);
    const text = query.toString();
    history.replaceState(null, "", `#/${route.view}${text ? `?${text}` : ""}`);
    changed({ route: { ...route, query } });
  };
  return [filters, set];
}

export function FilterField({ name, value, onChange, choices }) {
  const id = `filter-${name}`;
  if (choices) {
    return html`<span class="field"><label for=${id}>${name}</label><select id=${id} value=${value ?? ""} onChange=${(it) => onChange(name, it.target.value)}>
      <option value="">any</option>${choices.map((it) => html`<option value=${it}>${it}</option>`)}</select></span>`;
  }
  return html`<label for=${id}>${name}<input id=${id} data-filter value=${value ?? ""} size="14"
    onChange=${(it) => onChange(name, it.target.value.trim())} /></label>`;
}

export function TaskLink({ id, children }) {
  return html`<a class="mono" data-row href=${link(`task/${encodeURIComponent(id)}`)}>${children ?? id}</a>`;
}

// Redraw each second, for ages and clocks.
export function useSeconds() {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || tick((it) => it + 1), 1000);
    return () => clearInterval(timer);
  }, []);
}

// Events in words.

export function told(event) {
  const { what, kind, exchange } = event;
  if (exchange) return `${exchange.method} ${target(exchange)} → ${exchange.status || "reset"}`;
  if (kind === "task changed") {
    const who = what.by ? ` by ${what.by}` : "";
    return what.was ? (what.was === what.status ? `changed${who}` : `${what.was} → ${what.status}${who}`) : `created, ${what.status}${who}`;
  }
  if (kind === "callback owed") return `callback ${what.event} owed to ${what.url}`;
  if (kind === "callback tried") return `callback ${what.event} tried: ${what.status ?? what.error}`;
  if (kind === "callback settled") return `callback ${what.event} ${what.state}`;
  if (kind === "callback not sent") return `callback ${what.event} not sent: ${what.reason}`;
  if (kind === "clock moved") return `clock moved by ${duration(1000 * what.seconds)}`;
  const more = Object.entries(what).filter(([name, it]) => it !== null && name !== "traceback");
  return `${kind}${more.length ? ` (${more.map(([name, it]) => `${name} ${typeof it === "string" ? it : JSON.stringify(it)}`).join(", ")})` : ""}`;
}

export function isBad(event) {
  const { what, kind, exchange } = event;
  if (exchange) return exchange.status === 0 || exchange.status >= 400;
  return kind === "callback not sent" || kind === "labeler raised" || (kind === "callback tried" && !(what.status >= 200 && what.status < 300));
}

export function target(exchange) {
  return exchange.query ? `${exchange.path}?${exchange.query}` : exchange.path;
}

export { store };
