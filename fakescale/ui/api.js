// The control interface: calls, their curl lines, and the poll that tells that something changed.
import { useEffect, useRef, useState } from "./preact.js";

const BASE = "/_fakescale/";
const TOKEN = "fakescale-token";
const asked = new URLSearchParams(location.search);
const POLL = Number(asked.get("poll")) || 1000;
export const SHOWS_IMAGES = asked.has("images");

// Return the text as bytes of UTF-8, each a character: for headers and base64.
export function asBytes(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray %
  }
}

takeToken();

// Everything that several views need. Whoever changes it calls `changed`.
export const store = {
  route: readRoute(),
  operations: null,
  summary: null,
  actions: 0, // the calls that this page made to change something; some leave no event
  status: "Connecting …",
  isLost: false,
  needsToken: false,
};
const listeners = new Set();

export function changed(change) {
  Object.assign(store, change);
  listeners.forEach((listener) => listener());
}

export function useStore() {
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = () => redraw((number) => number + 1);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return store;
}

// The route is the fragment: #/tasks?status=pending&account=other&test=1.

function readRoute() {
  const [path, query] = location.hash.slice(1).split("?");
  const [view, id] = path.replace(/^\//, "").split("/");
  return { view: view || "tasks", id: id ? decoded(id) : null, query: new URLSearchParams(query || "") };
}

// Return the link to a view. It keeps the account and the mode, unless the query names them.
export function link(path, query = {}) {
  const kept = new URLSearchParams(query);
  for (const name of ["account", "test"]) {
    if (!(name in query) && store.route.query.get(name)) kept.set(name, store.route.query.get(name));
    if (!kept.get(name)) kept.delete(name);
  }
  const text = kept.toString();
  return `#/${path}${text ? `?${text}` : ""}`;
}

export function go(path, query) {
  location.hash = link(path, query).slice(1);
}

addEventListener("hashchange", () => {
  const before = JSON.stringify(world());
  const isToken = takeToken();
  if (!isToken) changed({ route: readRoute() });
  if (isToken || before !== JSON.stringify(world())) poll();
});

// The token comes in the fragment, which is never sent, and leaves the address at once.
function takeToken() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (!found) return false;
  sessionStorage.setItem(TOKEN, decoded(found[1]));
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}

export function setToken(token) {
  sessionStorage.setItem(TOKEN, token);
  changed({ needsToken: false });
  poll();
}

export function world() {
  const { query } = store.route;
  const chosen = {};
  if (query.get("account")) chosen.account = query.get("account");
  if (query.get("test")) chosen.test = true;
  return chosen;
}

// Return the arguments, with those that choose the world if the operation takes them.
function complete(operation, args) {
  const known = store.operations?.[operation]?.arguments ?? {};
  const chosen = Object.entries(world()).filter(([name]) => name in known && !(name in args));
  return { ...Object.fromEntries(chosen), ...args };
}

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function send(path, options = {}, read = (answer) => answer.json()) {
  const headers = { ...options.headers };
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${asBytes(token)}`;
  const answer = await fetch(BASE + path, { ...options, headers });
  if (!answer.ok) {
    const content = await answer.json().catch(() => ({}));
    if (answer.status === 403 && /Bearer TOKEN/.test(content.error ?? "")) changed({ needsToken: true });
    throw new Refused(answer.status, content.error ?? `The fake answered ${answer.status}.`);
  }
  return read(answer);
}

function posted(body) {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body };
}

export async function call(operation, args = {}) {
  return (await send(operation, posted(JSON.stringify(complete(operation, args))))).result;
}

// Return the dump as text, since JavaScript would change large and whole numbers.
export async function dumpText() {
  const text = await send("dump", posted("{}"), (answer) => answer.text());
  return text.slice(text.indexOf(":") + 1, text.lastIndexOf("}")).trim();
}

// Load a file, whose text is passed on as it is.
export async function loadText(text) {
  await send("load", posted(`{"data": ${text}}`));
  changed({ status: "Done: load", actions: store.actions + 1 });
  poll();
}

// Do a call of the user, and tell in the status line how it went.
export async function act(operation, args) {
  try {
    const result = await call(operation, args);
    changed({ status: `Done: ${operation}`, actions: store.actions + 1 });
    poll();
    return result;
  } catch (error) {
    changed({ status: `${operation} failed: ${error.message}` });
    throw error;
  }
}

export function getDocument() {
  return send("openapi.json");
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export function curl(operation, args = {}) {
  const token = sessionStorage.getItem(TOKEN) ? ' -H "Authorization: Bearer $FAKESCALE_CONTROL_TOKEN"' : "";
  const body = JSON.stringify(complete(operation, args));
  return `curl -s${token} ${location.origin}${BASE}${operation} --json ${quoted(body)}`;
}

// Return the result of a call and its error. The call is made again when something changed, or,
// with `when`, when that value changed.
export function useCall(operation, args = {}, { when } = {}) {
  const { summary, actions } = useStore();
  const [answer, setAnswer] = useState({});
  const latest = useRef({});
  const key = JSON.stringify([operation, args, world()]);
  const now = `${when ?? summary?.number} ${actions} ${summary?.state}`;
  useEffect(() => {
    const it = latest.current;
    it.key = key;
    if (summary === null || operation === null) return;
    if (it.running === key) {
      it.again = true; // so that slow calls do not pile up
      return;
    }
    const run = async () => {
      it.running = key;
      it.again = false;
      let next;
      try {
        next = { result: await call(operation, args), key };
      } catch (error) {
        next = { error, key };
        if (!(error instanceof Refused)) setTimeout(() => it.key === key && run(), 2 * POLL);
      }
      if (it.running === key) it.running = null;
      if (it.key !== key) return;
      setAnswer(next);
      if (it.again) run();
    };
    run();
  }, [key, now, summary === null]);
  return answer.key === key ? answer : {};
}

// The poll.

let timer;
let failures = 0;
let last = {}; // the world and the state of the latest summary

export async function poll() {
  clearTimeout(timer);
  if (!document.hidden) await look();
  clearTimeout(timer);
  timer = setTimeout(poll, Math.min(POLL * 2 ** failures, Math.max(POLL, 5000)));
}

async function look() {
  try {
    if (!store.operations) store.operations = (await send("")).operations;
    const chosen = JSON.stringify(world());
    // After a failure another process may have the address.
    const isKnown = chosen === last.world && !failures;
    const found = await call("summary", { since: isKnown ? store.summary.number : 0 });
    if (chosen !== JSON.stringify(world())) return; // another was chosen meanwhile
    last = { world: chosen };
    if (found) changed({ summary: { ...found, at: Date.now() } });
    if (failures || store.isLost || store.status === "Connecting …") changed({ isLost: false, status: "Connected." });
    failures = 0;
  } catch (error) {
    failures += 1;
    const isRefused = error instanceof Refused;
    const text = isRefused ? error.message : "The fake does not answer. It may have ended.";
    if (store.status !== text) changed({ isLost: true, status: text });
  }
}

document.addEventListener("visibilitychange", () => document.hidden || poll());

// Return the time on the fake's clock, in milliseconds.
export function fakeNow() {
  const { summary } = store;
  if (!summary) return Date.now();
  return Date.parse(summary.now) + (summary.is_stopped ? 0 : Date.now() - summary.at);
}
