// One task: its picture, its life, and what can be done to it.
import { html, useEffect, useRef, useState } from "./preact.js";
import { SHOWS_IMAGES, call, go, link, useCall } from "./api.js";
import { CallbackState } from "./tasks.js";
import { Copy, Do, Failure, Status, Time, Tree, duration, isBad, pretty, python, save, told, why } from "./parts.js";

// Return the world that has a task, among the fullest and then all, or null.
async function worldOf(id) {
  const worlds = await call("worlds");
  for (const { account, is_test: test } of worlds.filter((it) => it.tasks)) {
    try {
      await call("tasks.get", { task_id: id, account, test });
      return { account, test: test ? "1" : "" };
    } catch {
      // Not in this one.
    }
  }
  return null;
}

export function Task({ id }) {
  // Short bodies will do, and a large task is asked for again only when something happens to it.
  const { result: events, error: failure } = useCall("events.list", { subject: id, limit: 300, max_body: 2000, account: null });
  const when = events?.at(-1)?.number ?? 0;
  const { result: task, error } = useCall("tasks.get", { task_id: id }, { when });
  const isUnknown = error?.status === 404;
  useEffect(() => {
    if (isUnknown) worldOf(id).then((found) => found && go(`task/${encodeURIComponent(id)}`, found));
  }, [isUnknown]);
  if (error) return html`<h2>Task ${id}</h2><${Failure} error=${error} />`;
  if (!task) return html`<h2>Task ${id}</h2><p>Loading …</p>`;
  const facts = {
    type: task.type,
    status: html`<${Status} text=${task.status} />`,
    project: task.project && html`<a href=${link("tasks", { project: task.project })}>${task.project}</a>`,
    batch: task.batch && html`<a href=${link("tasks", { batch: task.batch })}>${task.batch}</a>`,
    unique_id: task.unique_id,
    tags: (task.tags ?? []).join(", "),
    review: task.customer_review_status,
    created: html`<${Time} at=${task.created_at} />`,
    completed: task.completed_at && html`<${Time} at=${task.completed_at} />`,
    callback: html`<${CallbackState} task=${task} />`,
  };
  return html`
    <h2>Task <span class="mono">${id}</span></h2>
    <div class="columns"><section aria-label="Facts"><table><tbody>${Object.entries(facts).filter(([, it]) => it).map(([name, it]) => html`<tr key=${name}>
      <th scope="row" class="short">${name}</th><td>${it}</td></tr>`)}</tbody></table>
    <${Actions} task=${task} /></section>
    <${Picture} id=${id} when=${when} /></div>
    <div class="columns">
      <section><h3>Life</h3><${Failure} error=${failure} /><${Life} events=${events ?? []} />
        <${Callbacks} id=${id} when=${when} /></section>
      <section>
        <h3>Parameters</h3>
        <div class="row"><${Copy} text=${() => pretty(task)} label="copy the task as JSON" />
          <${Copy} text=${() => `fakescale.tasks.create(${JSON.stringify(task.type)}, **${python(task.params ?? {})})`} label="copy as Python" />
          <${Copy} text=${() => apiCurl(task)} label="copy as curl" /></div>
        <${Tree} value=${task.params ?? {}} />
        <h3>Response</h3><${Tree} value=${task.response ?? null} />
        <h3>Metadata</h3><${Tree} value=${task.metadata ?? {}} />
        <details><summary>the whole task</summary><${Tree} value=${task} /></details>
      </section>
    </div>`;
}

function apiCurl(task) {
  const body = JSON.stringify(task.params ?? {}).replaceAll("'", "'\\''");
  return `curl -s -u "$SCALE_API_KEY:" ${location.origin}/v1/task/${task.type} --json '${body}'`;
}

const RESULTS = ["accepted", "fixed", "commented", "rejected"];

function Actions({ task }) {
  const { task_id, status } = task;
  const args = { task_id };
  const isPending = status === "pending";
  const isCompleted = status === "completed";
  return html`<section aria-label="Actions"><div class="cards">
    ${isPending && html`<${Do} op="tasks.start" label="start" args=${args} />
      <${Do} op="tasks.complete" label="complete" args=${args} />
      <${Do} op="tasks.complete" label="complete with …" args=${args} ask=${["response"]} start=${{ response: pretty({ annotations: [] }) }} />
      <${Do} op="tasks.fail" label="fail …" args=${args} ask=${["response"]} start=${{ response: "The attachment could not be read." }} />
      <${Do} op="tasks.cancel" label="cancel …" args=${args} ask=${["clear_unique_id"]} />`}
    ${isCompleted && html`<${Do} op="tasks.recall" label="recall" args=${args} />
      <${Do} op="tasks.audit" label="audit …" args=${args} ask=${["result", "comments"]} start=${{ result: "accepted" }} choices=${{ result: RESULTS }} />`}
    ${(isCompleted || status === "error") && html`<${Do} op="tasks.send_callback" label="send the callback again" args=${args} />`}
    <${Do} op="tasks.set_metadata" label="set metadata …" args=${args} ask=${["metadata"]} start=${{ metadata: pretty(task.metadata ?? {}) }} />
    <${Do} op="tasks.set_unique_id" label="set unique_id …" args=${args} ask=${["unique_id"]} start=${{ unique_id: task.unique_id ?? "" }} />
    ${task.unique_id && html`<${Do} op="tasks.clear_unique_id" label="clear unique_id" args=${args} />`}
    <${Do} op="tasks.set_tags" label="set tags …" args=${args} ask=${["tags"]} start=${{ tags: JSON.stringify(task.tags ?? []) }} />
    <${Do} op="tasks.delete" label="delete" args=${args} confirm="Only Scale can delete a task. v1 then no longer shows it." />
  </div></section>`;
}

// The picture comes as SVG text, and is shown as an image: nothing in it can run or load.
function Picture({ id, when }) {
  const [frame, setFrame] = useState(0);
  const [without, setWithout] = useState([]);
  const [isLoaded, setLoaded] = useState(false);
  const { result, error } = useCall("tasks.drawing", { task_id: id, frame, without }, { when });
  const latest = useRef(null);
  latest.current = result ?? latest.current; // so that a picture stays until the next one is there
  if (error) return html`<h3>Picture</h3><${Failure} error=${error} />`;
  const drawing = latest.current;
  if (!drawing) return null;
  const toggle = (label) => setWithout(without.includes(label) ? without.filter((it) => it !== label) : [...without, label]);
  const names = drawing.labels.map((it) => it.label).join(", ");
  const percent = (value, whole) => `${(100 * value) / whole}%`;
  // The image lies where the coordinates from 0 on are, in its own size.
  const place = (image) => {
    image.style.left = percent(-drawing.left, drawing.width);
    image.style.top = percent(-drawing.top, drawing.height);
    image.style.width = percent(image.naturalWidth, drawing.width);
  };
  const host = drawing.image && /^https?:/.test(drawing.image) ? new URL(drawing.image).host : null;
  return html`<section><h3>Picture</h3>
    ${drawing.frames > 1 && html`<label for="frame">frame ${frame + 1} of ${drawing.frames}
      <input id="frame" type="range" min="0" max=${drawing.frames - 1} value=${frame} onInput=${(it) => setFrame(Number(it.target.value))} /></label>`}
    <div class="row">${drawing.labels.map((it) => html`<label class="check" key=${it.label}>
      <input type="checkbox" checked=${!without.includes(it.label)} onChange=${() => toggle(it.label)} />
      <svg class="key" viewBox="0 0 1 1" aria-hidden="true"><rect width="1" height="1" fill=${it.color} /></svg>${it.label} (${it.count})</label>`)}</div>
    <div class="picture">
      ${isLoaded && html`<img class="under" src=${drawing.image} alt="the attachment" referrerpolicy="no-referrer" onLoad=${(it) => place(it.target)} />`}
      <img class="over" src=${`data:image/svg+xml,${encodeURIComponent(drawing.svg)}`} alt=${drawing.total ? `${drawing.total} shapes: ${names}` : "no shapes"} />
    </div>
    <div class="row">
      ${host && !isLoaded && (SHOWS_IMAGES
        ? html`<button type="button" onClick=${() => setLoaded(true)}>load the image from ${host}</button>`
        : html`<a href=${`?images${location.hash}`}>allow this tab to load the image from ${host}</a>`)}
      <button type="button" onClick=${() => save(`${id}.svg`, drawing.svg, "image/svg+xml")}>save as SVG</button>
    </div>
    <details open=${drawing.shapes.length > 0 && drawing.shapes.length <= 20}><summary>${drawing.total} shapes as a table</summary>
      <table><thead><tr><th scope="col">label</th><th scope="col">kind</th><th scope="col">place and attributes</th></tr></thead>
      <tbody>${drawing.shapes.slice(0, 200).map((it, index) => html`<tr key=${index}><td>${it.label}</td><td>${it.kind}</td><td>${it.text}</td></tr>`)}</tbody></table>
      ${drawing.shapes.length > 200 && html`<p class="soft">These are the first 200.</p>`}
    </details></section>`;
}

const GAP = 60000;

// Why a callback of the task failed, or when it is tried next.
function Callbacks({ id, when }) {
  const { result = [] } = useCall("callbacks.list", { subject: id, account: null, limit: 5 }, { when });
  return result.length > 0 && html`<h3>Callbacks</h3><ul>${result.map((it) => html`<li key=${it.number}>${it.event}: <${Status} text=${it.state.split(":")[0]} />
    ${why(it)} ${it.next_at && html`The next try is at <${Time} at=${it.next_at} />.`}</li>`)}</ul>
    <a href=${link("callbacks", { subject: id })}>all callbacks of the task</a>`;
}

function Life({ events }) {
  const lines = [];
  events.forEach((event, index) => {
    const before = events[index - 1];
    const passed = before ? Date.parse(event.when) - Date.parse(before.when) : 0;
    if (passed >= GAP) lines.push(html`<li class="gap" key=${`gap-${event.number}`}>${duration(passed)} later</li>`);
    lines.push(html`<li key=${event.number}><${Time} at=${event.when} /> <span class=${isBad(event) ? "bad" : ""}>
      ${event.exchange ? html`<a href=${link(`requests/${event.number}`)}>${told(event)}</a>` : told(event)}</span>
      ${event.what.traceback && html`<details><summary>traceback</summary><pre>${event.what.traceback}</pre></details>`}</li>`);
  });
  return html`<ol class="life">${lines}</ol>
    ${!events.length && html`<p class="soft">The log has no event of this task; it may be loaded, or old.</p>`}`;
}
