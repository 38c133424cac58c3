// Which part of the page is shown.

const VIEWS = ["", "findings", "accounts", "account", "coverage"];
const sections = [...document.querySelectorAll("main > section")];

const show = () => {
  const { view, parts, query } = route();
  const shown = VIEWS.includes(view) ? view : "";
  for (const section of sections) section.hidden = section.dataset.view !== shown;
  document.body.dataset.view = shown;
  for (const link of document.querySelectorAll("nav a")) {
    const part = link.getAttribute("href").slice(2);
    const current = part === shown || (part === "accounts" && shown === "account");
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (shown === "") timeline.draw();
  if (shown === "findings") {
    filters.show(query);
    list(query);
  }
  if (shown === "accounts") accountList.draw();
  if (shown === "account") accountPage(parts.join("/"));
};

addEventListener("hashchange", () => {
  show();
  scrollTo(0, 0);
  document.getElementById("main").focus({ preventScroll: true });
});

// Paper shows overview, findings and coverage together, and cannot scroll for more.
addEventListener("beforeprint", () => {
  const shown = document.body.dataset.view;
  if (shown === "account" || shown === "accounts") return;
  if (growList === null) list(new URLSearchParams());
  growList(500);
  for (const section of sections) section.hidden = ["account", "accounts"].includes(section.dataset.view);
});
addEventListener("afterprint", show);

showStories();
heat.draw();
show();
document.body.dataset.ready = "yes";
