// The list of tasks.
import { html, useEffect, useState } from "./preact.js";
import { act, call, changed, getDocument, go, link, useCall, useStore, world } from "./api.js";
import { Age, Copy, Curl, Do, Failure, FilterField, Status, TaskLink, pretty, useFilters } from "./parts.js";

const FILTERS = ["status", "type", "project", "batch", "unique_id", "tags", "customer_review_status", "start_time",
  "end_time", "completed_after", "completed_before", "updated_after", "updated_before"];
const FEW = 6;
const CHOICES = {
  status: ["pending", "completed", "canceled", "error"],
  customer_review_status: ["pending", "accepted", "fixed", "commented", "rejected"],
};
const LIMIT = 50;

// Return the token of the page that begins with this task, in the published format. It keeps the
// rows where they are while new tasks come.
function pinned(task) {
  return btoa(JSON.stringify({ task_id: `${task.task_id}~`, created_at: task.created_at }));
}

export function Tasks() {
  const { summary } = useStore();
  const [filters, setFilter] = useFilters(FILTERS);
  const [pages, setPages] = useState([]); // the tokens of this page and those before
  const [first, setFirst] = useState(null); // the first task of the page, and the number of all
  const [ticked, setTicked] = useState(() => new Set());
  const key = JSON.stringify([filters, pages, world()]);
  const pin = first?.key === key ? first : null;
  const token = pages.at(-1) ?? pin?.token ?? null;
  const { result, error } = useCall("tasks.page", { limit: LIMIT, next_token: token, ...filters });
  useEffect(() => {
    if (result && !pin && !pages.length && result.docs.length) {
      setFirst({ key, token: pinned(result.docs[0]), total: result.total });
    }
  }, [result]);
  useEffect(() => setTicked(new Set()), [key]);
  useEffect(() => setPages([]), [JSON.stringify([filters, world()])]);
  const isNew = pin && result ? result.total - pin.total : 0;
  const docs = result?.docs ?? [];
  const toggle = (id) => setTicked((before) => {
    const next = new Set(before);
    if (!next.delete(id)) next.add(id);
    return next;
  });
  return html`
    <h2>Tasks</h2>
    <div class="cards" aria-label="Tasks by status">
      ${Object.entries(summary?.statuses ?? {}).map(([status, number]) => html`<a key=${status}
        href=${link("tasks", { status })}><${Status} text=${status} /> ${number}</a>`)}
      <span class="soft">${summary?.tasks ?? 0} in all</span>
    </div>
    <form onSubmit=${(it) => it.preventDefault()}>
      ${FILTERS.slice(0, FEW).map((name) => html`<${FilterField} key=${name} name=${name} value=${filters[name]}
        choices=${CHOICES[name]} onChange=${setFilter} />`)}
      <details open=${FILTERS.slice(FEW).some((name) => filters[name])}><summary>more filters</summary><div class="row">
        ${FILTERS.slice(FEW).map((name) => html`<${FilterField} key=${name} name=${name} value=${filters[name]}
          choices=${CHOICES[name]} onChange=${setFilter} />`)}</div></details>
      ${Object.keys(filters).length > 0 && html`<a href="#/tasks">no filter</a>`}
      <${Curl} operation="tasks.page" args=${{ limit: LIMIT, ...filters }} />
    </form>
    <${Failure} error=${error} />
    <${Create} />
    <${Several} ids=${[...ticked]} onDone=${() => setTicked(new Set())} />
    ${isNew > 0 && html`<p><button type="button" onClick=${() => setFirst(null)}>${isNew} new</button></p>`}
    <table>
      <thead><tr><th><span class="soft">tick</span></th>
        ${["task", "status", "type", "project", "batch", "unique_id", "tags", "age", "callback"].map((it) => html`<th scope="col">${it}</th>`)}
      </tr></thead>
      <tbody>${docs.map((task) => html`<tr key=${task.task_id}>
        <td><input type="checkbox" aria-label=${`tick ${task.task_id}`} checked=${ticked.has(task.task_id)} onChange=${() => toggle(task.task_id)} /></td>
        <td class="short"><${TaskLink} id=${task.task_id} /></td>
        <td class="short"><${Status} text=${task.status} />${task.customer_review_status && html`, ${task.customer_review_status}`}</td>
        <td>${task.type}</td>
        <td>${task.project && html`<a href=${link("tasks", { project: task.project })}>${task.project}</a>`}</td>
        <td>${task.batch && html`<a href=${link("tasks", { batch: task.batch })}>${task.batch}</a>`}</td>
        <td>${task.unique_id}</td>
        <td>${(task.tags ?? []).join(", ")}</td>
        <td class="short"><${Age} at=${task.created_at} /></td>
        <td class="short"><${CallbackState} task=${task} /></td>
      </tr>`)}</tbody>
    </table>
    ${result && !docs.length && html`<p>${Object.keys(filters).length ? "No task passes the filters." : "There is no task yet. Create one here, or send a request."}</p>`}
    <div class="row">
      <button type="button" disabled=${!pages.length} onClick=${() => setPages(pages.slice(0, -1))}>newer</button>
      <button type="button" disabled=${!result?.next_token} onClick=${() => setPages([...pages, result.next_token])}>older</button>
      <span class="soft">${result ? `${docs.length} of ${result.total}` : "loading …"}</span>
    </div>`;
}

export function CallbackState({ task }) {
  if (task.callback_succeeded === true) return html`<span class="good">succeeded</span>`;
  if (task.callback_succeeded === false) return html`<span class="bad">failed</span>`;
  return html`<span class="soft">${task.callback_url ? "none yet" : "no address"}</span>`;
}

// Actions on the ticked tasks: one call each.
function Several({ ids, onDone }) {
  const [problem, setProblem] = useState(null);
  if (!ids.length) return null;
  const all = async (operation) => {
    const problems = [];
    for (const task_id of ids) {
      try {
        await call(operation, { task_id });
      } catch (error) {
        problems.push(`${task_id}: ${error.message}`);
      }
    }
    setProblem(problems.length ? new Error(problems.join(" · ")) : null);
    changed({ status: `${operation}: ${ids.length - problems.length} of ${ids.length} done` });
    if (!problems.length) onDone();
  };
  return html`<div class="row"><span>${ids.length} ticked:</span>
    ${["complete", "fail", "cancel"].map((name) => html`<button type="button" key=${name} onClick=${() => all(`tasks.${name}`)}>${name}</button>
      <${Curl} operation=${`tasks.${name}`} args=${{ task_id: ids[0] }} />`)}
    <${Failure} error=${problem} /></div>`;
}

// A form that begins with the example of the type.
function Create() {
  const [examples, setExamples] = useState(null);
  const [type, setType] = useState("imageannotation");
  const [text, setText] = useState("");
  const [problem, setProblem] = useState(null);
  const load = async () => {
    if (examples) return;
    const found = {};
    for (const [path, item] of Object.entries((await getDocument()).paths)) {
      const name = /^\/task\/(\w+)$/.exec(path)?.[1];
      const example = item.post?.requestBody?.content?.["application/json"]?.example;
      if (!name || !example) continue;
      const { project, batch, ...rest } = example; // they are those of somebody else
      found[name] = rest;
    }
    setExamples(found);
    setText(pretty(found[type]));
  };
  const choose = (name) => {
    setType(name);
    setText(pretty(examples[name]));
  };
  let args = { type };
  try {
    args = { ...JSON.parse(text || "{}"), type };
  } catch {
    // The form says so when it is sent.
  }
  const create = async (event) => {
    event.preventDefault();
    try {
      const task = await act("tasks.create", { ...JSON.parse(text), type });
      setProblem(null);
      go(`task/${task.task_id}`);
    } catch (error) {
      setProblem(error);
    }
  };
  return html`<details onToggle=${(it) => it.target.open && load()}><summary>create a task</summary>
    ${examples && html`<form onSubmit=${create}>
      <span class="field"><label for="create-type">type</label><select id="create-type" value=${type} onChange=${(it) => choose(it.target.value)}>
        ${Object.keys(examples).map((it) => html`<option value=${it}>${it}</option>`)}</select></span>
      <label for="create-body">parameters, as JSON<textarea id="create-body" value=${text} onInput=${(it) => setText(it.target.value)}></textarea></label>
      <button type="submit">create</button>
      <${Copy} text=${text} label="copy the JSON" />
      <${Curl} operation="tasks.create" args=${args} />
    </form>`}
    <${Failure} error=${problem} /></details>`;
}
