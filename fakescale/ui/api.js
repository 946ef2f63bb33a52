// The control interface: calls, their curl lines, and the poll that tells that something changed.
import { useEffect, useRef, useState } from "./preact.js";

const BASE = "/_fakescale/";
const TOKEN = "fakescale-token";
const asked = new URLSearchParams(location.search);
const POLL = Number(asked.get("poll")) || 1000;
export const SHOWS_IMAGES = asked.has("images");

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
  return { view: view || "tasks", id: id ? decodeURIComponent(id) : null, query: new URLSearchParams(query || "") };
}

// Return the link to a view. It keeps the account and the mode.
export function link(path, query = {}) {
  const kept = new URLSearchParams(query);
  for (const name of ["account", "test"]) {
    if (store.route.query.has(name) && !kept.has(name)) kept.set(name, store.route.query.get(name));
  }
  const text = kept.toString();
  return `#/${path}${text ? `?${text}` : ""}`;
}

export function go(path, query) {
  location.hash = link(path, query).slice(1);
}

addEventListener("hashchange", () => {
  if (takeToken()) poll();
  else changed({ route: readRoute() });
});

// The token comes in the fragment, which is never sent, and leaves the address at once.
function takeToken() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (!found) return false;
  sessionStorage.setItem(TOKEN, decodeURIComponent(found[1]));
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

async function send(path, options = {}) {
  const headers = { ...options.headers };
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(BASE + path, { ...options, headers });
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    if (answer.status === 403 && /Bearer TOKEN/.test(content.error ?? "")) changed({ needsToken: true });
    throw new Refused(answer.status, content.error ?? `The fake answered ${answer.status}.`);
  }
  return content;
}

export async function call(operation, args = {}) {
  const body = JSON.stringify(complete(operation, args));
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body };
  return (await send(operation, options)).result;
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

// Return the result of a call and its error. The call is made again when something changed.
export function useCall(operation, args = {}, { isFixed = false } = {}) {
  const { summary, actions } = useStore();
  const [answer, setAnswer] = useState({});
  const latest = useRef({});
  const key = JSON.stringify([operation, args, world()]);
  const now = isFixed ? 0 : `${summary?.number} ${actions}`;
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
let lastWorld;

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
    const since = chosen === lastWorld ? (store.summary?.number ?? 0) : 0;
    const found = await call("summary", { since });
    lastWorld = chosen;
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
