// The few things a page can do by itself. Every one has a plain form or link beneath it.
addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
  const wanted = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!wanted) return;
  event.preventDefault();
  if (wanted.tagName === "INPUT") wanted.focus();
  else wanted.click();
});
addEventListener("change", (event) => {
  if (event.target.matches("select[data-send]")) event.target.form.requestSubmit();
});
// A form of a widget is sent quietly, and the widget alone is drawn anew.
addEventListener("submit", async (event) => {
  const form = event.target;
  const widget = form.closest(".k-widget");
  if (!widget || event.defaultPrevented || form.method !== "post" || "plain" in form.dataset) return;
  event.preventDefault();
  if (form.ariaBusy) return; // pressed twice
  form.ariaBusy = "true";
  const body = new URLSearchParams(new FormData(form, event.submitter));
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" } });
    if (!answer.ok) throw new Error(answer.statusText);
    const text = await answer.text();
    const shown = document.getElementById(widget.id); // its slot may have been drawn anew meanwhile
    if (shown && "off" in form.dataset) takeOut(shown, text);
    else if (shown) drawAnew(shown, text);
  } catch {
    form.dataset.plain = "";
    form.requestSubmit(event.submitter);
  }
});
function takeOut(widget, page) {
  const slot = widget.closest(".k-slot");
  widget.remove();
  // the page as it is from now on says whether anything is left to ask for
  if (slot && !page.includes(`data-slot="${slot.dataset.slot}"`)) slot.remove();
}
function drawAnew(widget, html) {
  const held = widget.contains(document.activeElement) || document.activeElement === document.body;
  const field = document.activeElement.id;
  widget.outerHTML = html;
  if (held) (document.getElementById(field) ?? document.getElementById(widget.id))?.focus();
}
