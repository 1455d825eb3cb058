// What makes the page live, and work by keyboard. Without it every page reads, and every form and link works.
"use strict";
(() => {
  const view = document.body.dataset.view;
  const byId = (id) => document.getElementById(id);

  // --- live: the server sends parts of the page as HTML of its own making, by the id of what they fill
  let version = null;

  function fill(id, html) {
    const element = byId(id);
    if (!element || element.innerHTML === html) return;
    const selection = window.getSelection();
    if (!selection.isCollapsed && element.contains(selection.anchorNode)) return;  // it is being copied
    const focused = element.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    element.innerHTML = html;
    if (focused) [...element.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
  }

  function busy() {
    const active = document.activeElement;
    return document.hidden || byId("help")?.open || chosen().length > 0 ||
      active?.matches("input, select, textarea") || window.getSelection().toString() !== "";
  }

  let fetching = false;
  let stale = false;

  async function reloadList() {
    if (!byId("list") || fetching) return;
    if (busy()) { stale = true; return; }
    fetching = true;
    stale = false;
    try {
      const answer = await fetch(location.href, { headers: { "x-part": "list" } });
      if (!answer.ok) return;
      const html = await answer.text();
      if (busy()) { stale = true; return; }
      const at = current()?.querySelector("a.open").getAttribute("href");
      const focused = document.activeElement?.matches("a.open");
      byId("list").innerHTML = html;
      mark(rows().findIndex((row) => row.querySelector("a.open").getAttribute("href") === at), focused);
      showChosen();
    } finally {
      fetching = false;
    }
  }

  let source = null;

  function follow() {
    source = new EventSource("/events?view=" + encodeURIComponent(view));
    source.onopen = () => { byId("connection").hidden = true; };
    source.onerror = () => {
      byId("connection").hidden = false;
      if (source?.readyState === EventSource.CLOSED) setTimeout(watch, 2000);
    };
    source.onmessage = (event) => {
      const message = JSON.parse(event.data);
      for (const [id, html] of Object.entries(message.parts)) fill(id, html);
      if (version !== null && message.version !== version) reloadList();
      version = message.version;
    };
  }

  // A page that nobody sees lets its connection go: a browser has only six for all pages of one server.
  function watch() {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source || source.readyState === EventSource.CLOSED) {
      follow();
    }
  }
  if (window.EventSource) {
    watch();
    document.addEventListener("visibilitychange", watch);
    addEventListener("pagehide", () => source?.close());
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }
  setInterval(() => { if (stale) reloadList(); }, 2000);

  // --- choosing documents
  const boxes = () => [...document.querySelectorAll("#chosen input[name=document]")];
  function chosen() {
    return byId("all")?.checked ? ["all"] : boxes().filter((box) => box.checked);
  }

  function showChosen() {
    const number = chosen().length;
    document.querySelectorAll("[data-needs=chosen]").forEach((button) => { button.disabled = number === 0; });
    const every = byId("page-all");
    if (every) {
      const checked = boxes().filter((box) => box.checked).length;
      every.checked = checked > 0 && checked === boxes().length;
      every.indeterminate = checked > 0 && !every.checked;
    }
  }
  document.addEventListener("change", (event) => {
    const target = event.target;
    if (target.id === "page-all") boxes().forEach((box) => { box.checked = target.checked; });
    if (target.closest("#chosen")) showChosen();
    if (target.closest("#filter")?.requestSubmit && target.matches("input[type=checkbox], select")) {
      target.closest("#filter").requestSubmit();
    }
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.id === "filter") {  // an address with what is asked for only
      form.querySelectorAll("input, select").forEach((field) => {
        if (field.value === "" || (field.name === "size" && field.value === "100")) field.disabled = true;
      });
    }
  });
  addEventListener("pageshow", () => {
    byId("filter")?.querySelectorAll("input, select").forEach((field) => { field.disabled = false; });
    showChosen();
  });

  // --- by keyboard
  const rows = () => [...document.querySelectorAll(".rows tbody tr")].filter((row) => row.querySelector("a.open"));
  const current = () => document.querySelector(".rows tr.at");

  function mark(index, focus = true) {
    const all = rows();
    current()?.classList.remove("at");
    const row = all[Math.max(0, Math.min(index, all.length - 1))];
    if (!row || index < 0) return;
    row.classList.add("at");
    if (focus) row.querySelector("a.open").focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  function move(by) {
    const at = rows().indexOf(current());
    if (rows().length) mark(at < 0 ? (by > 0 ? 0 : rows().length - 1) : Math.max(0, at + by));
    else go(by > 0 ? "next" : "prev");
  }

  function go(rel) {
    document.querySelector(`main a[rel=${rel}]`)?.click();
  }

  document.addEventListener("focusin", (event) => {
    const row = event.target.closest(".rows tbody tr");
    if (row && row !== current()) { current()?.classList.remove("at"); row.classList.add("at"); }
  });

  function help() {
    byId("help").showModal();
  }
  const button = byId("help-button");
  button.hidden = false;
  button.addEventListener("click", help);

  let before = "";
  const keys = {
    j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
    n: () => go("next"), p: () => go("prev"),
    u: () => byId("to-list")?.click(),
    "/": () => { const search = byId("search"); if (search) { search.focus(); search.select(); } else location.href = "/documents"; },
    "?": help,
    x: () => current()?.querySelector("input[name=document]")?.click(),
    o: () => { if (before === "g") location.href = "/"; },
    d: () => { if (before === "g") location.href = "/documents"; },
    Enter: () => current()?.querySelector("a.open")?.click(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    const typing = event.target.matches("input:not([type=checkbox]), select, textarea, summary");
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.target.matches("a, button") && event.key === "Enter") return;
    if (event.key.startsWith("Arrow") && !rows().length) return;
    const act = keys[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
    before = event.key;
  });
})();
