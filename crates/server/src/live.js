// Shows a page anew when something has happened, unless its reader is in the midst of it.

const PAUSE_MS = 1000;
// How long it is until a feed is asked for again that was refused.
const AGAIN_MS = 3000;
// Beside this script, wherever its world has its addresses.
const FEED = new URL("api/v1/events", import.meta.url);

const page = () => document.getElementById("page");

/** Whether a page that changes now would take something from under its reader. */
function isBusy() {
  const within = document.activeElement;
  const fields = Array.from(document.querySelectorAll("#page :is(input, textarea)"));
  const writes = (within !== null && within.matches("input, select, textarea"))
    || fields.some((field) => field.value !== field.defaultValue);
  return document.hidden || writes || !getSelection().isCollapsed || window.scrollY > 300;
}

/** The places of what is open, so that it stays open. */
function opened(parts) {
  return Array.from(parts, (part) => part.open);
}

/** Says once where the world is served now. */
function elsewhere(address) {
  if (address === null || document.getElementById("elsewhere") !== null) return;
  const [told, link] = [document.createElement("p"), document.createElement("a")];
  told.id = "elsewhere";
  told.setAttribute("role", "status");
  link.href = address;
  link.textContent = new URL(address).host;
  told.append("This world is served elsewhere now, and this page stands still: ", link);
  page().prepend(told);
}

async function show() {
  const answer = await fetch(location.href, { headers: { accept: "*/*" } });
  if (answer.status === 421) elsewhere(answer.headers.get("location"));
  if (!answer.ok || isBusy()) return;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [ours, theirs] = [page(), next.getElementById("page")];
  if (theirs === null || ours.dataset.seq === theirs.dataset.seq) return;
  const open = opened(ours.querySelectorAll("details"));
  theirs.querySelectorAll("details").forEach((part, at) => { part.open = open[at] ?? part.open; });
  const top = (root) => root.querySelector("header.top");
  top(document).replaceWith(top(next));
  ours.replaceWith(theirs);
}

/** Waits for the next thing that happens, shows the page, and waits again. */
function listen() {
  // From where the page stands, so that nothing is missed that happened since.
  const since = page().dataset.seq;
  const feed = new EventSource(since === undefined ? FEED : `${FEED}?since=${since}`);
  const go = async () => {
    feed.close();
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    while (isBusy()) await new Promise((done) => setTimeout(done, PAUSE_MS));
    await show().catch(() => undefined);
    listen();
  };
  feed.addEventListener("message", go, { once: true });
  feed.addEventListener("error", async () => {
    // The browser makes a broken connection again by itself, and gives up where the answer is no feed.
    if (feed.readyState !== EventSource.CLOSED) return;
    await new Promise((done) => setTimeout(done, AGAIN_MS));
    await show().catch(() => undefined);
    listen();
  });
}

listen();
