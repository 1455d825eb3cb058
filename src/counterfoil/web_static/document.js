// The page of a document: field and box lit together, a field corrected where it stands, everything by keyboard.
// Without it the same forms and links work.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const original = byId("original");
  const zoom = byId("zoom");

  // --- the document itself: a part of the page that may come later, for it is fetched and drawn
  async function show() {
    try {
      const answer = await fetch(original.dataset.src);
      original.innerHTML = answer.ok ? await answer.text() : "";
      zoom.hidden = !original.querySelector(".sheet");
      watchImages();
    } catch {
      original.textContent = "The document could not be fetched; load the page anew to try again.";
    }
  }
  function watchImages() {
    original.querySelectorAll("img").forEach((image) => {
      image.addEventListener("error", () => { image.closest("figure").textContent = "This page can't be drawn."; });
    });
  }
  function larger() {
    zoom.setAttribute("aria-pressed", String(original.classList.toggle("zoomed")));
  }
  zoom.addEventListener("click", larger);
  show();

  // --- a field and its place, lit together
  const placeOf = (element) => element.closest?.("[data-place]")?.dataset.place;
  let lit = "";

  function light(place, from) {
    if (place === lit) return;
    document.querySelectorAll(".lit").forEach((element) => element.classList.remove("lit"));
    lit = place || "";
    if (!place) return;
    const all = [...document.querySelectorAll(`[data-place="${CSS.escape(place)}"]`)];
    all.forEach((element) => element.classList.add("lit"));
    const there = all.find((element) => original.contains(element));
    if (there && from && !original.contains(from)) bringIntoView(there);
  }

  function bringIntoView(element) {
    const pane = original.getBoundingClientRect();
    const box = element.getBoundingClientRect();
    if (getComputedStyle(original).overflowY === "visible") return;
    if (box.top < pane.top || box.bottom > pane.bottom) original.scrollTop += box.top - pane.top - pane.height / 3;
    if (box.left < pane.left || box.right > pane.right) original.scrollLeft += box.left - pane.left - pane.width / 3;
  }

  const focusedPlace = () => placeOf(document.activeElement);
  document.addEventListener("pointerover", (event) => light(placeOf(event.target) || focusedPlace(), event.target));
  document.addEventListener("focusin", (event) => { if (placeOf(event.target)) light(placeOf(event.target), event.target); });
  original.addEventListener("click", (event) => {
    const place = event.target.matches(".box, [data-place], [data-place] *") && placeOf(event.target);
    if (!place) return;
    const field = [...document.querySelectorAll(`#doc-body [data-place="${CSS.escape(place)}"]`)][0];
    field?.scrollIntoView({ block: "nearest" });
    field?.querySelector("a.said, input:not([type=hidden])")?.focus();
  });

  // --- correcting a field where it stands
  function make(tag, attributes) {
    const element = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    return element;
  }

  function edit(link) {
    const { path, raw, label } = link.dataset;
    const holder = make("span", { class: "editing" });
    const input = make("input", { form: "review", name: `set.${path}`, value: raw, "aria-label": label, autocomplete: "off", spellcheck: "false" });
    const save = make("button", { class: "button", form: "review", name: "act", value: "correct" });
    save.textContent = "Save";
    const cancel = make("a", { class: "button quiet cancel", href: location.href, role: "button" });
    cancel.textContent = "Cancel";
    holder.append(make("input", { type: "hidden", form: "review", name: `was.${path}`, value: raw }), input, save, cancel);
    holder.before_ = link;
    if (link.closest(".silent, .add")) holder.prepend(Object.assign(make("span", { class: "new-label" }), { textContent: label }));
    link.replaceWith(holder);
    input.focus();
    input.select();
  }

  function leave(holder) {
    if (!holder.before_) { holder.querySelector("a.cancel").remove(); location.href = location.pathname + location.search; return; }
    holder.replaceWith(holder.before_);
    holder.before_.focus();
  }

  function startEditing() {
    const focused = document.activeElement?.closest?.(".fact, tr")?.querySelector("a.said");
    const doubtful = document.querySelector(".has-error a.said, .has-warning a.said");
    const first = document.activeElement?.matches?.("a.said") ? document.activeElement : focused || doubtful || document.querySelector("a.said[data-path=gross_total]") || document.querySelector("a.said");
    if (first) edit(first);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.said");
    const cancel = event.target.closest("a.cancel");
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link) { event.preventDefault(); edit(link); }
    if (cancel) { event.preventDefault(); leave(cancel.closest(".editing")); }
  });

  // --- what is done is sent, and what it changes of the page comes back
  let sending = false;
  async function send(form, button) {
    if (sending) return;
    sending = true;
    const fields = new URLSearchParams(new FormData(form));
    if (button?.name) fields.append(button.name, button.value);
    const at = document.activeElement;
    const path = at?.name?.startsWith("set.") ? at.name.slice(4) : at?.value;
    document.body.classList.add("sending");
    try {
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body: fields, headers: { "x-part": "document" } });
      const part = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!part.getElementById("doc-head")) { document.open(); document.write(part.documentElement.outerHTML); document.close(); return; }
      ["doc-head", "doc-body"].forEach((id) => byId(id).replaceWith(document.adoptNode(part.getElementById(id))));
      lit = "";
      refocus(path);
    } catch {
      byId("connection").hidden = false;
    } finally {
      sending = false;
      document.body.classList.remove("sending");
    }
  }

  function refocus(path) {
    const trouble = byId("trouble");
    const open = document.querySelector("#doc-body .editing input:not([type=hidden])");
    if (trouble) { (open || trouble).focus?.(); trouble.scrollIntoView({ block: "nearest" }); return; }
    const corrected = path && document.querySelector(`a.said[data-path="${CSS.escape(path)}"]`);
    (corrected || document.querySelector(".acts a, main a[rel=next]"))?.focus();
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches(".act")) return;
    event.preventDefault();
    const enter = form.id === "review" && event.submitter?.classList.contains("unseen");
    if (enter && !document.querySelector(".editing")) return;
    send(form, event.submitter);
  });

  // --- by keyboard
  const press = (key) => document.querySelector(`.acts [data-key=${key}]`)?.click();
  const keys = {
    a: () => press("a"), w: () => press("w"), t: () => press("t"), e: startEditing, z: larger,
    r: () => { const reason = byId("reason"); reason?.focus(); reason?.select(); },
  };
  document.addEventListener("keydown", (event) => {
    const holder = event.target.closest?.(".editing");
    if (event.key === "Escape" && holder) { leave(holder); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    if (event.target.matches("input, select, textarea")) return;
    if (event.key === " " && event.target.matches("a.said")) { event.preventDefault(); edit(event.target); return; }
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
})();
