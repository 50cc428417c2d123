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
  const widget = event.target.closest(".k-widget");
  if (!widget || event.defaultPrevented || event.target.method !== "post") return;
  event.preventDefault();
  const form = new FormData(event.target, event.submitter);
  const headers = { "HX-Request": "true" };
  try {
    const answer = await fetch(event.target.action, { method: "POST", body: new URLSearchParams(form), headers });
    if (!answer.ok) throw new Error(answer.statusText);
    if ("off" in event.target.dataset) widget.remove();
    else widget.outerHTML = await answer.text();
  } catch {
    event.target.submit();
  }
});
