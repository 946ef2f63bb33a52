// The views of callbacks, faults, the clock, the timeline, projects, accounts, the state, and all
// operations.
import { html, useEffect, useRef, useState } from "./preact.js";
import { act, call, changed, fakeNow, go, link, useCall, useStore } from "./api.js";
import { Age, Copy, Curl, Do, Failure, FilterField, Status, TaskLink, Time, Tree, duration, isBad, pretty, save, told, useFilters, useSeconds } from "./parts.js";

// Callbacks.

const LIMIT = 100;
const STATES = ["owed", "done", "failed", "not sent", "recorded"];

export function Callbacks() {
  const { summary } = useStore();
  const [filters, setFilter] = useFilters(["state"]);
  const chosen = filters.state ? { state: filters.state } : {};
  const { result: owed } = useCall("callbacks.list", { state: "owed", limit: LIMIT });
  const { result: latest, error } = useCall("callbacks.list", { limit: LIMIT, ...chosen });
  const first = chosen.state ? [] : (owed ?? []);
  const rest = (latest ?? []).filter((it) => chosen.state || it.state !== "owed").reverse();
  return html`<h2>Callbacks</h2>
    <div class="cards">${Object.entries(summary?.callbacks ?? {}).map(([state, number]) => html`<a key=${state}
      href=${link("callbacks", { state })}><${Status} text=${state} /> ${number}</a>`)}</div>
    <form onSubmit=${(it) => it.preventDefault()}><${FilterField} name="state" value=${filters.state} onChange=${setFilter} choices=${STATES} />
      <${Curl} operation="callbacks.list" args=${{ limit: LIMIT, ...chosen }} /></form>
    <div class="cards"><${Do} op="callbacks.deliver" label="deliver what is due" />
      <${AdvanceToNext} /></div>
    <${Failure} error=${error} />
    <table><thead><tr>${["event", "subject", "address", "state", "next try", "why", ""].map((it) => html`<th scope="col">${it || html`<span class="soft">action</span>`}</th>`)}</tr></thead>
      <tbody>${[...first, ...rest].map((it) => html`<${Callback} key=${it.number} callback=${it} />`)}</tbody></table>
    ${latest && !latest.length && !first.length && html`<p>There is no callback. One is owed when a task with a callback_url is done, or an account has a default address.</p>
      <${Do} op="callback_url" label="set the account's address …" ask=${["value"]} start=${{ value: "http://127.0.0.1:9000/" }} />`}`;
}

// Say in plain words why a callback has not succeeded.
function why(callback) {
  if (callback.state.startsWith("not sent")) {
    return `It was never sent: ${callback.state.slice(10)}. Start the fake with --callback-host for this host, or use a loopback address.`;
  }
  const last = callback.attempts.at(-1);
  if (!last || callback.state === "done" || callback.state === "recorded") return "";
  return last.status === null ? `No answer came: ${last.error}` : `The receiver answered ${last.status}; only a 2xx is a success.`;
}

function Callback({ callback }) {
  const [isOpen, open] = useState(false);
  return html`<tr><td class="short">${callback.event}</td>
      <td class="short">${callback.event === "batch" ? callback.subject : html`<${TaskLink} id=${callback.subject} />`}</td>
      <td>${callback.url}</td><td class="short"><${Status} text=${callback.state} /></td>
      <td class="short">${callback.next_at ? html`<${Age} at=${callback.next_at} />` : ""}</td><td>${why(callback)}</td>
      <td class="row"><button type="button" aria-expanded=${isOpen} onClick=${() => open(!isOpen)}>details of ${callback.number}</button>
        <${Do} op="callbacks.redeliver" label="send again" args=${{ callback: callback.number }} /></td></tr>
    ${isOpen && html`<tr><td colspan="7"><h3>Attempts</h3>
      ${callback.attempts.length ? html`<ol>${callback.attempts.map((it) => html`<li key=${it.when}><${Time} at=${it.when} /> ${it.status ?? it.error}</li>`)}</ol>` : html`<p class="soft">none</p>`}
      <h3>Body</h3><${Tree} value=${callback.json} /></td></tr>`}`;
}

function AdvanceToNext() {
  const { summary } = useStore();
  useSeconds();
  if (!summary?.next_due) return html`<span class="soft">Nothing is due later.</span>`;
  const milliseconds = Math.max(0, Date.parse(summary.next_due) - fakeNow());
  return html`<${Do} op="advance" label=${`advance to the next thing due (in ${duration(milliseconds)})`} args=${{ milliseconds: Math.ceil(milliseconds) }} />`;
}

// Faults.

const TERMS = ["method", "path", "status", "error", "delay", "reset", "lost", "truncated", "times", "nth", "probability", "minutes", "per_second", "account"];

function sentence(fault) {
  const { id, hits, is_over: isOver, ...terms } = fault;
  return Object.entries(terms).filter(([, it]) => it !== null && it !== false)
    .map(([name, it]) => `${name} ${typeof it === "string" && it.length < 60 ? it : JSON.stringify(it).slice(0, 60)}`).join(", ");
}

export function Faults() {
  const { result = [], error } = useCall("faults.list");
  const { operations } = useStore();
  const asks = TERMS.filter((name) => operations?.["faults.add"]?.arguments[name]);
  return html`<h2>Faults</h2>
    <p>A fault makes requests to the API go wrong on purpose.</p>
    <div class="cards"><${Do} op="faults.lost_answer" label="lose the answer of the next creation" />
      <${Do} op="faults.add" label="503 for the next two requests" args=${{ path: "*", status: 503, times: 2 }} />
      <${Do} op="faults.outage" label="outage for 5 minutes" args=${{ minutes: 5 }} />
      <${Do} op="faults.rate_limit" label="2 requests a second" args=${{ per_second: 2 }} />
      <${Do} op="faults.duplicate_in_flight" label="refuse the next repeated creation" />
      <${Do} op="faults.add" label="another fault …" ask=${asks} start=${{ path: "*" }} /></div>
    <${Failure} error=${error} />
    <table><thead><tr>${["fault", "strikes", "hits", "remove"].map((it) => html`<th scope="col">${it}</th>`)}</tr></thead>
      <tbody>${result.map((fault) => html`<tr key=${fault.id}><td>${fault.id}</td><td>${sentence(fault)}</td><td>${fault.hits}</td>
        <td><${Do} op="faults.remove" label=${`remove ${fault.id}`} args=${{ fault: fault.id }} /></td></tr>`)}</tbody></table>
    ${!result.length && html`<p>There is no fault.</p>`}`;
}

// The clock.

export function Clock() {
  const { summary } = useStore();
  const { result: turnaround, error } = useCall("turnaround");
  useSeconds();
  if (!summary) return html`<h2>Clock</h2>`;
  return html`<h2>Clock</h2>
    <p>The fake's clock shows <b><${Time} at=${new Date(fakeNow()).toISOString()} /></b>. It is
      ${summary.is_stopped ? html` <b>stopped</b>` : " running"}${summary.ahead ? `, ${duration(1000 * summary.ahead)} ahead of real time` : ""}.
      ${summary.next_due && html` A labeler or a callback is due next at <${Time} at=${summary.next_due} />.`}</p>
    <div class="cards"><${Do} op="advance" label="+1 min" args=${{ minutes: 1 }} /><${Do} op="advance" label="+1 h" args=${{ hours: 1 }} />
      <${Do} op="advance" label="+1 day" args=${{ days: 1 }} /><${AdvanceToNext} />
      <${Do} op="advance" label="advance by …" ask=${["seconds"]} start=${{ seconds: "90" }} />
      ${summary.is_stopped ? html`<${Do} op="start_clock" label="start" />` : html`<${Do} op="stop_clock" label="stop" />`}</div>
    <h3>Turnaround</h3>
    <p>${error ? error.message : turnaround === null ? "No labeler completes tasks by itself." : `A live task is completed ${duration(1000 * (turnaround ?? 0))} after its creation.`}</p>
    <${Do} op="turnaround" label="set the turnaround, in seconds …" ask=${["value"]} start=${{ value: "60" }} />
    <${Do} op="turnaround" label="complete no task by itself" args=${{ value: null }} />`;
}

// The timeline: a lane for each kind, with idle time folded.

const LANES = { request: "requests", task: "tasks", callback: "callbacks", clock: "clock", fault: "faults" };
const FOLD = 30000;
const WIDTH = 1000;

// Return the places of events: idle time takes a fixed width.
function placed(events) {
  let x = 0;
  const folds = [];
  const points = events.map((event, index) => {
    const passed = index ? Date.parse(event.when) - Date.parse(events[index - 1].when) : 0;
    const width = passed > FOLD ? FOLD : Math.max(passed, 0);
    if (passed > FOLD) folds.push({ from: x, to: x + FOLD, passed });
    x += width;
    return { event, x };
  });
  return { points, folds, end: Math.max(x, 1) };
}

export function Timeline() {
  const { result = [], error } = useCall("events.list", { limit: 500 });
  const [range, setRange] = useState([0, 1]);
  const [brush, setBrush] = useState(null);
  const svg = useRef(null);
  const { points, folds, end } = placed(result);
  const [low, high] = range;
  const at = (x) => 90 + ((x / end - low) / (high - low)) * (WIDTH - 100);
  const share = (event) => {
    const box = svg.current.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WIDTH;
    return Math.min(1, Math.max(0, low + ((x - 90) / (WIDTH - 100)) * (high - low)));
  };
  const zoom = (factor) => {
    const [middle, half] = [(low + high) / 2, ((high - low) / 2) * factor];
    setRange([Math.max(0, middle - half), Math.min(1, middle + half)]);
  };
  const move = (by) => {
    const shift = Math.min(1 - high, Math.max(-low, by * (high - low)));
    setRange([low + shift, high + shift]);
  };
  const release = () => {
    if (brush && Math.abs(brush[1] - brush[0]) > 0.005) setRange([Math.min(...brush), Math.max(...brush)]);
    setBrush(null);
  };
  const shown = points.filter(({ x }) => x / end >= low - 1e-9 && x / end <= high + 1e-9);
  return html`<h2>Timeline</h2><${Failure} error=${error} />
    <div class="row"><button type="button" onClick=${() => zoom(0.5)}>zoom in</button><button type="button" onClick=${() => zoom(2)}>zoom out</button>
      <button type="button" onClick=${() => move(-0.5)}>earlier</button><button type="button" onClick=${() => move(0.5)}>later</button>
      <button type="button" onClick=${() => setRange([0, 1])}>all</button><span class="soft">Drag over the lanes to zoom. Idle time is folded.</span>
      <${Curl} operation="events.list" args=${{ limit: 500 }} /></div>
    <svg class="lanes" ref=${svg} viewBox=${`0 0 ${WIDTH} 200`} preserveAspectRatio="none" role="img" aria-label=${`${shown.length} events in lanes`}
      onPointerDown=${(it) => setBrush([share(it), share(it)])} onPointerMove=${(it) => brush && setBrush([brush[0], share(it)])} onPointerUp=${release} onPointerLeave=${release}>
      ${folds.filter((it) => it.to / end >= low && it.from / end <= high).map((it, index) => html`<g key=${`fold-${index}`}><rect class="fold" x=${Math.max(90, at(it.from))} y="0" width=${Math.max(0, at(it.to) - Math.max(90, at(it.from)))} height="200" />
        <text x=${Math.max(92, at(it.from) + 2)} y="12">${duration(it.passed)}</text></g>`)}
      ${Object.values(LANES).map((name, index) => html`<g key=${name}><text x="4" y=${35 + 35 * index}>${name}</text><line x1="90" x2=${WIDTH} y1=${30 + 35 * index} y2=${30 + 35 * index} /></g>`)}
      ${shown.map(({ event, x }) => {
        const lane = Object.keys(LANES).indexOf(event.kind.split(" ")[0]);
        return lane < 0 ? null : html`<rect key=${event.number} class=${isBad(event) ? "dot bad" : "dot"} x=${at(x) - 2} y=${isBad(event) ? 22 + 35 * lane : 24 + 35 * lane} width="4" height=${isBad(event) ? 16 : 12}
          onClick=${() => open(event)}><title>${told(event)}</title></rect>`;
      })}
      ${brush && html`<rect class="brush" x=${at(Math.min(...brush) * end)} y="0" width=${Math.abs(at(brush[1] * end) - at(brush[0] * end))} height="200" />`}
    </svg>
    <table><thead><tr><th scope="col">time</th><th scope="col">event</th><th scope="col">subject</th></tr></thead>
      <tbody>${shown.slice(-LIMIT).reverse().map(({ event }) => html`<tr key=${event.number}><td class="short"><${Time} at=${event.when} /></td>
        <td class=${isBad(event) ? "bad" : ""}>${event.exchange ? html`<a data-row href=${link(`requests/${event.number}`)}>${told(event)}</a>` : told(event)}</td>
        <td>${event.subject && (/^[0-9a-f]{24}$/.test(event.subject) ? html`<${TaskLink} id=${event.subject} />` : event.subject)}</td></tr>`)}</tbody></table>`;
}

function open(event) {
  if (event.exchange) go(`requests/${event.number}`);
  else if (/^[0-9a-f]{24}$/.test(event.subject ?? "")) go(`task/${event.subject}`);
  else if (event.kind.startsWith("clock")) go("clock");
  else if (event.kind.startsWith("fault")) go("faults");
}

// Projects and batches.

function Bar({ counts }) {
  const total = Object.values(counts).reduce((sum, it) => sum + it, 0);
  const kinds = { completed: "done", error: "wrong", canceled: "gone" };
  let x = 0;
  const parts = Object.entries(kinds).map(([status, style]) => {
    const width = total ? (100 * (counts[status] ?? 0)) / total : 0;
    x += width;
    return html`<rect key=${status} class=${style} x=${x - width} width=${width} height="10" />`;
  });
  const text = Object.entries(counts).filter(([, it]) => it).map(([status, it]) => `${it} ${status}`).join(", ") || "no task";
  return html`<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=${text}>${parts}</svg> ${text}`;
}

export function Projects() {
  const projects = useCall("projects.list");
  const batches = useCall("batches.list");
  return html`<h2>Projects</h2><${Failure} error=${projects.error ?? batches.error} />
    <${Do} op="projects.create" label="create a project …" ask=${["type", "name"]} start=${{ type: "imageannotation", name: "drive" }} />
    <table><thead><tr>${["name", "type", "created", "versions of parameters", ""].map((it) => html`<th scope="col">${it || html`<span class="soft">action</span>`}</th>`)}</tr></thead>
      <tbody>${(projects.result ?? []).slice(0, 500).map((it) => html`<tr key=${it.name}><td><a data-row href=${link("tasks", { project: it.name })}>${it.name}</a></td><td>${it.type}</td>
        <td class="short"><${Time} at=${it.created_at} /></td>
        <td>${(it.param_history ?? []).length ? html`<details><summary>${it.param_history.length}</summary><${Tree} value=${it.param_history} /></details>` : "none"}</td>
        <td>${!it.is_archived && html`<${Do} op="projects.archive" label=${`archive ${it.name}`} args=${{ name: it.name }} confirm="Its batches are archived with it." />`}</td></tr>`)}</tbody></table>
    <h2>Batches</h2>
    <${Do} op="batches.create" label="create a batch …" ask=${["project", "name"]} start=${{ project: "drive", name: "first" }} />
    <table><thead><tr>${["name", "project", "status", "tasks", ""].map((it) => html`<th scope="col">${it || html`<span class="soft">action</span>`}</th>`)}</tr></thead>
      <tbody>${(batches.result ?? []).slice(0, 500).map((it) => html`<tr key=${it.name}><td><a data-row href=${link("tasks", { batch: it.name })}>${it.name}</a></td><td>${it.project}</td>
        <td><${Status} text=${it.status} /></td><td><${Bar} counts=${it.counts ?? {}} /></td>
        <td class="row">${["finalize", "pause", "resume", "cancel"].map((name) => html`<${Do} key=${name} op=${`batches.${name}`} label=${`${name} ${it.name}`} args=${{ name: it.name }}
          confirm=${name === "cancel" ? "Its pending tasks are canceled with it." : undefined} />`)}</td></tr>`)}</tbody></table>
    ${batches.result && !batches.result.length && html`<p>There is no batch.</p>`}`;
}

// Accounts.

export function Accounts() {
  const { summary } = useStore();
  const { result = [], error } = useCall("accounts");
  const names = summary && !result.includes(summary.account) ? [...result, summary.account] : result;
  return html`<h2>Accounts</h2><${Failure} error=${error} />
    <table><thead><tr>${["account", "live tasks", "test tasks", "keys", ""].map((it) => html`<th scope="col">${it || html`<span class="soft">action</span>`}</th>`)}</tr></thead>
      <tbody>${names.slice(0, LIMIT).map((name) => html`<${Account} key=${name} name=${name} />`)}</tbody></table>
    ${names.length > LIMIT && html`<p class="soft">These are the first ${LIMIT} of ${names.length}.</p>`}`;
}

function Account({ name }) {
  const live = useCall("summary", { account: name, test: false }).result;
  const test = useCall("summary", { account: name, test: true }).result;
  const keys = [useCall("api_key", { account: name }).result, useCall("test_api_key", { account: name }).result];
  return html`<tr><td><a data-row href=${link("tasks", { account: name })}>${name}</a></td>
    <td>${live?.tasks}</td><td><a href=${link("tasks", { account: name, test: "1" })}>${test?.tasks ?? "…"}</a></td>
    <td class="row">${keys.filter(Boolean).map((key) => html`<span key=${key} class="mono">${key.slice(0, 5)}***</span><${Copy} text=${key} label=${`copy the ${key.slice(0, 4)} key of ${name}`} />`)}</td>
    <td><${Do} op="reset" label=${`reset ${name}`} args=${{ account: name }} confirm="All that belongs to the account is forgotten." /></td></tr>`;
}

// The state as a whole.

export function State() {
  const [size, setSize] = useState(null);
  const [isOver, setOver] = useState(false);
  const download = async () => {
    const text = JSON.stringify(await call("dump"));
    setSize(text.length);
    save("fakescale.json", text);
  };
  const load = async (file) => {
    try {
      await act("load", { data: JSON.parse(await file.text()) });
    } catch (error) {
      changed({ status: `${file.name} was not loaded: ${error.message}` });
    }
  };
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer.files[0]) load(event.dataTransfer.files[0]);
  };
  return html`<h2>State</h2>
    <h3>Dump</h3><div class="row"><button type="button" onClick=${download}>download a dump</button><${Curl} operation="dump" />
      ${size !== null && html`<span>${(size / 1e6).toFixed(2)} MB</span>`}</div>
    <h3>Load</h3><div class=${`drop${isOver ? " over" : ""}`} onDragOver=${(it) => { it.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)} onDrop=${drop}>
      <label for="load">Drop a dump or tasks that the API printed here, or choose a file.
        <input id="load" type="file" accept=".json" onChange=${(it) => it.target.files[0] && load(it.target.files[0])} /></label></div>
    <h3>Reset</h3><${Do} op="reset" label="reset everything" confirm="All accounts, requests, callbacks and faults are forgotten." />`;
}

// Every operation of the control interface, with a form made from its description.

export function Operations() {
  const { operations, route } = useStore();
  const [filters, setFilter] = useFilters(["name"]);
  const [answer, setAnswer] = useState(null);
  useEffect(() => setAnswer(null), [filters.name]);
  const found = Object.entries(operations ?? {}).filter(([name]) => name.includes(filters.name ?? route.id ?? ""));
  return html`<h2>Operations</h2><p>These are all operations of the control interface.</p>
    <form onSubmit=${(it) => it.preventDefault()}><${FilterField} name="name" value=${filters.name} onChange=${setFilter} /></form>
    ${answer && html`<section><h3>Result of ${answer.name}</h3><${Tree} value=${answer.result} /></section>`}
    <table><thead><tr><th scope="col">operation</th><th scope="col">what it does</th><th scope="col">call</th></tr></thead>
      <tbody>${found.map(([name, it]) => html`<tr key=${name}><td class="mono">${name}</td><td>${it.description}</td>
        <td><${Do} op=${name} label=${name} ask=${Object.keys(it.arguments).filter((argument) => argument !== "…")}
          onDone=${(result) => setAnswer({ name, result })} /></td></tr>`)}</tbody></table>`;
}
