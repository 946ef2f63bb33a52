// The requests, and one of them in detail.
import { html, useEffect, useRef, useState } from "./preact.js";
import { call, link, useCall, useStore } from "./api.js";
import { Copy, Curl, Failure, FilterField, TaskLink, Time, Tree, pretty, save, target, useFilters } from "./parts.js";

const NAMES = ["text", "method", "status", "account", "only"];
const ONLY = { refused: (it) => it.exchange.status === 0 || it.exchange.status >= 400, faults: (it) => it.exchange.fault };
const LIMIT = 100;
const MOST = 1000;

function passes(event, filters) {
  const { exchange } = event;
  const status = String(exchange.status);
  return (!filters.text || target(exchange).includes(filters.text) || exchange.body.includes(filters.text))
    && (!filters.method || exchange.method === filters.method)
    && (!filters.status || status.startsWith(filters.status.replace(/x+$/i, "")))
    && (!filters.account || exchange.account === filters.account)
    && (!filters.only || ONLY[filters.only]?.(event));
}

export function Requests() {
  const { summary } = useStore();
  const [filters, setFilter] = useFilters(NAMES);
  const [events, setEvents] = useState([]);
  const [hasOlder, setOlder] = useState(true);
  const [error, setError] = useState(null);
  const isBusy = useRef(false);
  const add = async (args) => {
    if (isBusy.current) return;
    isBusy.current = true;
    try {
      const found = await call("events.list", { kind: "request", limit: LIMIT, ...args });
      if (args.before || !args.after) setOlder(found.length === LIMIT);
      setEvents((known) => (args.before ? [...found, ...known] : [...known, ...found]).slice(-MOST));
    } catch (problem) {
      setError(problem);
    }
    isBusy.current = false;
  };
  useEffect(() => {
    if (summary) add({ after: events.at(-1)?.number ?? 0 });
  }, [summary?.number]);
  const shown = events.filter((it) => passes(it, filters)).reverse();
  return html`
    <h2>Requests</h2>
    <form onSubmit=${(it) => it.preventDefault()}>
      <${FilterField} name="text" value=${filters.text} onChange=${setFilter} />
      <${FilterField} name="method" value=${filters.method} onChange=${setFilter} choices=${["GET", "POST", "PUT", "PATCH", "DELETE"]} />
      <${FilterField} name="status" value=${filters.status} onChange=${setFilter} />
      <${FilterField} name="account" value=${filters.account} onChange=${setFilter} />
      <${FilterField} name="only" value=${filters.only} onChange=${setFilter} choices=${["refused", "faults"]} />
      <${Curl} operation="events.list" args=${{ kind: "request", limit: LIMIT }} />
    </form>
    <${Failure} error=${error} />
    <table><thead><tr>${["time", "request", "status", "account", "ms", "fault", "why"].map((it) => html`<th scope="col">${it}</th>`)}</tr></thead>
      <tbody>${shown.map((event) => html`<${Row} key=${event.number} event=${event} />`)}</tbody></table>
    ${summary && !shown.length && html`<p>${events.length ? "No request passes the filters." : "No request has come yet."}</p>`}
    <div class="row"><button type="button" disabled=${!hasOlder || !events.length} onClick=${() => add({ before: events[0].number })}>older</button>
      <span class="soft">${shown.length} shown of ${summary?.requests ?? 0}</span></div>`;
}

function refusal(exchange) {
  if (exchange.status < 400) return null;
  try {
    return JSON.parse(exchange.answer).error ?? null;
  } catch {
    return null;
  }
}

function Row({ event }) {
  const { exchange } = event;
  const isBad = exchange.status === 0 || exchange.status >= 400;
  return html`<tr><td class="short"><${Time} at=${event.when} /></td>
    <td><a class="mono" data-row href=${link(`requests/${event.number}`)}>${exchange.method} ${target(exchange).slice(0, 200)}</a></td>
    <td class=${isBad ? "bad" : "good"}>${exchange.status || "reset"}</td>
    <td>${exchange.account}</td><td>${(1000 * event.what.duration).toFixed(1)}</td><td>${exchange.fault}</td><td>${refusal(exchange)?.slice(0, 200)}</td></tr>`;
}

const SECRET = /^(authorization|cookie|scale-callback-auth)$/i;

function masked(name, value) {
  return SECRET.test(name) ? `${String(value).split(" ")[0]} ***` : value;
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return undefined;
  }
}

function Body({ text, marked }) {
  const value = parsed(text);
  if (text === "") return html`<p class="soft">empty, or not read</p>`;
  return value === undefined ? html`<pre>${text.slice(0, 100000)}</pre>` : html`<${Tree} value=${value} marked=${marked} />`;
}

export function Request({ number }) {
  const args = { after: number - 1, before: number + 1, kind: "request", account: null };
  const { result, error } = useCall("events.list", args, { isFixed: true });
  const { result: why } = useCall("explain", { number }, { isFixed: true });
  const event = result?.[0];
  if (error) return html`<h2>Request ${number}</h2><${Failure} error=${error} />`;
  if (!event) return html`<h2>Request ${number}</h2><p>${result ? "The log does not hold it any more." : "Loading …"}</p>`;
  const { exchange } = event;
  const isForm = /form-urlencoded/.test(exchange.headers["Content-Type"] ?? "");
  return html`<h2><span class="mono">${exchange.method} ${exchange.path}</span></h2>
    <table><tbody>
      <tr><th scope="row">status</th><td class=${exchange.status === 0 || exchange.status >= 400 ? "bad" : "good"}>${exchange.status || "reset, no answer"}</td></tr>
      <tr><th scope="row">time</th><td><${Time} at=${event.when} />, ${(1000 * event.what.duration).toFixed(1)} ms</td></tr>
      <tr><th scope="row">account</th><td>${exchange.account ?? "none: the key leads to no account"}</td></tr>
      <tr><th scope="row">route</th><td>${why?.route ?? html`<span class="bad">none</span>${why?.nearest && html`; the nearest is <code>${why.nearest}</code>`}`}</td></tr>
      ${exchange.fault && html`<tr><th scope="row">fault</th><td class="bad">${exchange.fault}</td></tr>`}
      ${why?.error && html`<tr><th scope="row">refusal</th><td><b class="bad">${why.error}</b> <span class="soft">(the text is ${why.source})</span></td></tr>`}
      ${why?.unknown.map((line) => html`<tr key=${line}><th scope="row">hint</th><td class="wait">${line}</td></tr>`)}
      ${event.subject && html`<tr><th scope="row">subject</th><td>${/^[0-9a-f]{24}$/.test(event.subject) ? html`<${TaskLink} id=${event.subject} />` : event.subject}</td></tr>`}
    </tbody></table>
    <div class="row"><${Copy} text=${() => asCurl(exchange)} label="copy as curl" />
      <button type="button" onClick=${() => save(`request-${number}.har`, pretty(asHar(event)))}>save as HAR</button></div>
    <div class="columns">
      <section><h3>Query and headers</h3>
        ${exchange.query && html`<${Tree} value=${Object.fromEntries(new URLSearchParams(exchange.query))} marked=${exchange.method === "GET" ? why?.member : null} />`}
        <table><tbody>${Object.entries(exchange.headers).map(([name, value]) => html`<tr key=${name}><th scope="row">${name}</th><td class="mono">${masked(name, value)}</td></tr>`)}</tbody></table>
      </section>
      <section><h3>Body</h3>${isForm ? html`<${Tree} value=${Object.fromEntries(new URLSearchParams(exchange.body))} marked=${why?.member} />`
        : html`<${Body} text=${exchange.body} marked=${exchange.method === "GET" ? null : why?.member} />`}</section>
      <section><h3>Answer</h3><${Body} text=${exchange.answer} /></section>
    </div>
    ${exchange.traceback && html`<h3>A bug in fakescale</h3><pre>${exchange.traceback}</pre>`}`;
}


function asCurl(exchange) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const kept = Object.entries(exchange.headers).filter(([name]) => /^(content-type|idempotency-key|accept)$/i.test(name));
  const headers = kept.map(([name, value]) => ` -H ${quoted(`${name}: ${value}`)}`).join("");
  const body = exchange.body ? ` --data-raw ${quoted(exchange.body)}` : "";
  return `curl -s -X ${exchange.method} -u "$SCALE_API_KEY:"${headers} ${quoted(location.origin + target(exchange))}${body}`;
}

function asHar({ when, what, exchange }) {
  const list = (object) => Object.entries(object).map(([name, value]) => ({ name, value: masked(name, value) }));
  const milliseconds = 1000 * what.duration;
  const request = {
    method: exchange.method, url: location.origin + target(exchange), httpVersion: "HTTP/1.1", cookies: [], headers: list(exchange.headers),
    queryString: [...new URLSearchParams(exchange.query)].map(([name, value]) => ({ name, value })), headersSize: -1, bodySize: exchange.body.length,
    ...(exchange.body ? { postData: { mimeType: exchange.headers["Content-Type"] ?? "", text: exchange.body } } : {}),
  };
  const content = { size: exchange.answer.length, mimeType: "application/json", text: exchange.answer };
  const response = { status: exchange.status, statusText: "", httpVersion: "HTTP/1.1", cookies: [], headers: [], content, redirectURL: "", headersSize: -1, bodySize: content.size };
  const entry = { startedDateTime: when, time: milliseconds, request, response, cache: {}, timings: { send: 0, wait: milliseconds, receive: 0 } };
  return { log: { version: "1.2", creator: { name: "fakescale", version: "" }, entries: [entry] } };
}
