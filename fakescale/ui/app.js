// The page: its head, its views by the fragment of the address, and its keys.
import { html, render, useEffect, useState } from "./preact.js";
import { fakeNow, link, poll, setToken, useCall, useStore } from "./api.js";
import { duration, useSeconds } from "./parts.js";
import { Accounts, Callbacks, Clock, Faults, Operations, Projects, State, Timeline } from "./others.js";
import { Request, Requests } from "./requests.js";
import { Task } from "./task.js";
import { Tasks } from "./tasks.js";

// The views by their name in the address, each with its title.
const VIEWS = {
  tasks: ["Tasks", () => html`<${Tasks} />`],
  task: [null, (id) => html`<${Task} key=${id} id=${id} />`],
  requests: ["Requests", (id) => (id ? html`<${Request} key=${id} number=${Number(id)} />` : html`<${Requests} />`)],
  callbacks: ["Callbacks", () => html`<${Callbacks} />`],
  faults: ["Faults", () => html`<${Faults} />`],
  clock: ["Clock", () => html`<${Clock} />`],
  timeline: ["Timeline", () => html`<${Timeline} />`],
  projects: ["Projects", () => html`<${Projects} />`],
  accounts: ["Accounts", () => html`<${Accounts} />`],
  state: ["State", () => html`<${State} />`],
  operations: ["Operations", () => html`<${Operations} />`],
};

function Picker() {
  const { route, summary } = useStore();
  const { result = [] } = useCall("accounts");
  const names = [...new Set([...(summary ? [summary.account] : []), ...result])];
  const choose = (name, value) => {
    const query = new URLSearchParams(route.query);
    if (value) query.set(name, value);
    else query.delete(name);
    const text = query.toString();
    location.hash = `#/${route.view}${route.id ? `/${encodeURIComponent(route.id)}` : ""}${text ? `?${text}` : ""}`;
  };
  return html`<div class="row">
    <span class="field"><label for="account">account</label><select id="account" value=${route.query.get("account") ?? summary?.account ?? ""} onChange=${(it) => choose("account", it.target.value)}>
      ${names.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></span>
    <span class="field"><label for="mode">mode</label><select id="mode" value=${route.query.get("test") ? "1" : ""} onChange=${(it) => choose("test", it.target.value)}>
      <option value="">live</option><option value="1">test</option></select></span></div>`;
}

function Now() {
  const { summary } = useStore();
  useSeconds();
  if (!summary) return null;
  const text = new Date(fakeNow()).toISOString().replace("T", " ").slice(0, 19);
  return html`<span class="mono">${text}${summary.is_stopped ? " (stopped)" : summary.ahead ? ` (+${duration(1000 * summary.ahead)})` : ""}</span>`;
}

function Badge({ name }) {
  const { summary } = useStore();
  const callbacks = summary?.callbacks ?? {};
  const wrong = (callbacks.failed ?? 0) + (callbacks["not sent"] ?? 0);
  if (name === "callbacks" && wrong) return html` <span class="bad count">${wrong} undelivered</span>`;
  if (name === "callbacks" && callbacks.owed) return html` <span class="wait count">${callbacks.owed} owed</span>`;
  if (name === "faults" && summary?.faults) return html` <span class="wait count">${summary.faults}</span>`;
  return null;
}

function Token() {
  const [token, set] = useState("");
  const submit = (event) => {
    event.preventDefault();
    setToken(token);
  };
  return html`<h2>A token is needed</h2><form onSubmit=${submit}>
    <label for="token">the text that --control-token gave to fakescale<input id="token" type="password" value=${token} onInput=${(it) => set(it.target.value)} /></label>
    <button type="submit">use it</button></form>`;
}

function App() {
  const { route, needsToken, status, isLost } = useStore();
  const [title, show] = VIEWS[route.view] ?? VIEWS.tasks;
  useEffect(() => {
    document.title = `${title ?? `Task ${route.id}`} · fakescale`;
  }, [route.view, route.id]);
  return html`
    <header><h1>fakescale</h1>
      <nav aria-label="Views">${Object.entries(VIEWS).filter(([, [name]]) => name).map(([name, [text]]) => html`<a key=${name} href=${link(name)}
        aria-current=${name === route.view ? "page" : undefined}>${text}<${Badge} name=${name} /></a>`)}</nav>
      <${Picker} /><${Now} /></header>
    <main>${needsToken ? html`<${Token} />` : show(route.id)}</main>
    <footer><span role="status" class=${isLost ? "bad" : ""}>${status}</span> <span class="soft">· keys: / filter, j and k rows, Enter opens</span></footer>`;
}

// The keys, unless somebody types.
addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
  if (key === "/") {
    document.querySelector("[data-filter]")?.focus();
    event.preventDefault();
  }
  if (key === "j" || key === "k") {
    const rows = [...document.querySelectorAll("[data-row]")];
    const next = rows.indexOf(document.activeElement) + (key === "j" ? 1 : -1);
    rows[Math.min(rows.length - 1, Math.max(0, next))]?.focus();
  }
});

addEventListener("hashchange", () => scrollTo(0, 0));
render(html`<${App} />`, document.getElementById("app"));
poll();
