// Plays a world's time: goes from one moment of the scrubber to the next, until somebody stops it.
// Space plays and stops, the arrows go one moment back and on. Without script each moment is a link.

const PAUSE_MS = 700;

let playing = false;

/** The addresses of all moments, in order. */
const moments = () => Array.from(document.querySelectorAll("svg.strip a"), (link) => link.getAttribute("href"));

/** The place of the moment that is shown; the present is behind the last one. */
function here(all) {
  const line = document.querySelector("svg.strip line.here");
  const shown = Number(document.getElementById("page").dataset.seq);
  const of = (address) => Number(new URLSearchParams(address.split("?")[1]).get("at"));
  const at = all.findIndex((address) => of(address) >= shown);
  return line === null || at < 0 ? all.length : at;
}

/** Shows another moment in place of this one, when all of it is read; whether that went well. */
async function show(address) {
  const answer = await fetch(address, { headers: { accept: "*/*" } });
  if (!answer.ok) return false;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of ["header.top", "#page"]) {
    const [ours, theirs] = [document.querySelector(part), next.querySelector(part)];
    if (ours === null || theirs === null) return false;
    ours.replaceWith(theirs);
  }
  history.replaceState(null, "", address);
  furnish();
  return true;
}

/** Goes some moments on, or back; whether there was one. */
async function go(by) {
  const all = moments();
  const at = here(all) + by;
  if (at < 0 || all.length === 0) return false;
  if (at >= all.length) {
    // The present has a script of its own.
    if (by > 0 && here(all) < all.length) location.assign(new URL(".", import.meta.url));
    return false;
  }
  return show(all[at]).catch(() => false);
}

async function play() {
  playing = true;
  // From the present it begins anew.
  let goes = here(moments()) < moments().length || await show(moments()[0]).catch(() => false);
  furnish();
  while (playing && goes) {
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    goes = playing && await go(1);
  }
  playing = false;
  furnish();
}

function toggle() {
  if (playing) playing = false;
  else if (moments().length > 0) play();
  furnish();
}

/** Gives the scrubber its buttons. */
function furnish() {
  const scale = document.querySelector("p.scale");
  if (scale === null || moments().length === 0) return;
  let bar = document.querySelector(".play");
  if (bar === null) {
    bar = document.createElement("div");
    bar.className = "play";
    const button = (text, label, act) => {
      const one = document.createElement("button");
      one.type = "button";
      one.textContent = text;
      one.setAttribute("aria-label", label);
      one.addEventListener("click", act);
      bar.append(one);
      return one;
    };
    button("‹", "one moment back", () => go(-1));
    button("", "play", toggle).classList.add("toggle");
    button("›", "one moment on", () => go(1));
    const keys = document.createElement("span");
    keys.textContent = "space plays, ← and → go step by step";
    bar.append(keys);
    scale.after(bar);
  }
  const main = bar.querySelector(".toggle");
  main.textContent = playing ? "■ Stop" : "▶ Play";
  main.setAttribute("aria-pressed", String(playing));
}

document.addEventListener("keydown", (event) => {
  const within = event.target instanceof Element && event.target.closest("input, select, textarea, button, a, summary");
  if (event.ctrlKey || event.metaKey || event.altKey || within) return;
  const act = { " ": toggle, ArrowLeft: () => go(-1), ArrowRight: () => go(1) }[event.key];
  if (act === undefined || moments().length === 0) return;
  event.preventDefault();
  act();
});

furnish();
// The present is shown anew when something has happened.
new MutationObserver(furnish).observe(document.body, { childList: true });
