// The list of findings: filters, search, and each finding's own lines when it is opened.

const when = (row) => range(row[F_FIRST], row[F_LAST]);
const detectorOf = (row) => data.detectors[row[F_DETECTOR]][0];

// What a search looks through: the values of a finding, not the names of its fields, and not its neighbours.
let haystacks = null;
const values = (value, into) => {
  if (Array.isArray(value)) value.forEach((item) => values(item, into));
  else if (value !== null && typeof value === "object") {
    for (const [key, inner] of Object.entries(value)) {
      into.push(key);
      values(inner, into);
    }
  } else if (value !== null) into.push(String(value));
};
const haystack = (at) => {
  haystacks ??= new Array(data.findings.length);
  if (haystacks[at] === undefined) {
    const { attributes, involves, evidence, attack } = detail(at);
    const row = data.findings[at];
    const words = [row[F_SUBJECT], detectorOf(row), data.detectors[row[F_DETECTOR]][1], row[F_SUMMARY], row[F_ID], ...attack];
    values(attributes, words);
    values(involves.credentials, words);
    involves.subjects.forEach((subject) => words.push(subject.namespace ? `${subject.namespace}/${subject.name}` : subject.name));
    evidence.forEach((event) => words.push(`${event.file}:${event.line}`, event.audit_id ?? ""));
    haystacks[at] = words.join("\n").toLowerCase();
  }
  return haystacks[at];
};

const matching = (query) => {
  const words = (query.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const severities = new Set(query.getAll("severity"));
  const [detector, account, id] = ["detector", "account", "id"].map((name) => query.get(name));
  const from = query.has("from") ? Number(query.get("from")) : null;
  const to = query.has("to") ? Number(query.get("to")) : null;
  const fits = (row, at) =>
    (!id || row[F_ID] === id) &&
    (severities.size === 0 || severities.has(data.severities[row[F_SEVERITY]])) &&
    (!detector || detectorOf(row) === detector) &&
    (!account || row[F_ACCOUNT] === account) &&
    (from === null || (row[F_LAST] !== null && row[F_LAST] >= from)) &&
    (to === null || (row[F_FIRST] !== null && row[F_FIRST] < to)) &&
    words.every((word) => haystack(at).includes(word));
  const found = [];
  data.findings.forEach((row, at) => fits(row, at) && found.push(at));
  return found;
};

// A small tree of named values. Maps of counts are what most of it is.
const isTime = (text) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text);
// What was counted, when: one line says it.
const occurrence = (value) => {
  const keys = Object.keys(value);
  if (!keys.includes("requests") || !keys.every((key) => ["requests", "first_seen", "last_seen"].includes(key)) || typeof value.requests !== "number") return null;
  const second = (text) => (text ? Math.floor(Date.parse(text) / 1000) : null);
  const [first, last] = [second(value.first_seen), second(value.last_seen)];
  return [counted(value.requests, "request"), first !== null && el("span", { class: "dim" }, `, ${range(first, last)}`)];
};
const tree = (value) => {
  if (value === null) return el("span", { class: "dim" }, "not known");
  if (Array.isArray(value)) {
    if (value.length === 0) return el("span", { class: "dim" }, "none");
    return el("ul", {}, value.map((item) => el("li", {}, tree(item))));
  }
  if (typeof value === "object") {
    const entries = Object.entries(value);
    if (entries.length === 0) return el("span", { class: "dim" }, "none");
    const line = occurrence(value);
    if (line) return el("span", {}, line);
    return el("dl", { class: "tree" }, entries.map(([key, inner]) => [el("dt", {}, long(key || "(none)")), el("dd", {}, tree(inner))]));
  }
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return isTime(value) ? value.replace("T", " ").replace("Z", "") : long(value);
};

const titled = (title, ...children) => el("section", {}, el("h4", {}, title), ...children);

const steps = (remediation) =>
  titled(
    "What to do",
    remediation.summary && el("p", {}, `${remediation.summary}.`),
    el("ol", {}, remediation.steps.map((step) => el("li", {}, step.text, step.command && command(step.command)))),
  );

const evidence = (events) =>
  events.length > 0 &&
  titled(
    "Evidence",
    el(
      "div",
      { class: "scroll" },
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, ["Time (UTC)", "Where", "Audit ID"].map((title) => el("th", { scope: "col" }, title)))),
        el(
          "tbody",
          {},
          events.map((event) =>
            el(
              "tr",
              {},
              el("td", { class: "nowrap" }, event.time ? event.time.replace("T", " ").replace("Z", "") : "-"),
              el("td", {}, code(event.line ? `${event.file}:${event.line}` : event.file)),
              el("td", {}, event.audit_id ? code(event.audit_id) : "-"),
            ),
          ),
        ),
      ),
    ),
  );

const relatives = (related) =>
  related.length > 0 &&
  titled(
    "Related",
    el(
      "ul",
      {},
      related.map(([at, by]) => {
        const row = data.findings[at];
        const link = el("a", { href: `#/findings?id=${row[F_ID]}` }, `${detectorOf(row)}: `, long(row[F_SUBJECT]));
        return el("li", {}, badge(row[F_SEVERITY]), " ", link, el("span", { class: "dim" }, " by ", long(by.join(", "))));
      }),
    ),
  );

const about = (id) => {
  const template = document.getElementById(`doc-${id}`);
  if (template === null) return null;
  const text = el("details", { class: "about" }, el("summary", {}, `What ${id} looks for, why it matters, known benign causes`));
  text.addEventListener("toggle", () => text.childElementCount === 1 && text.append(template.content.cloneNode(true)));
  return text;
};

const body = (at) => {
  const row = data.findings[at];
  const more = detail(at);
  return el(
    "div",
    { class: "body" },
    steps(more.remediation),
    evidence(more.evidence),
    titled("Details", tree(more.attributes)),
    more.attack.length > 0 && titled("ATT&CK", el("ul", {}, more.attack.map((technique) => el("li", {}, technique)))),
    relatives(more.related),
    about(detectorOf(row)),
    el(
      "p",
      { class: "dim" },
      row[F_ACCOUNT] !== null && accountAt.has(row[F_ACCOUNT]) && ["Account: ", accountLink(row[F_ACCOUNT]), ". "],
      "Fingerprint ",
      code(row[F_ID]),
      more.status && ` (${more.status})`,
      ". ",
      el("a", { href: `#/findings?id=${row[F_ID]}` }, "Link to this finding"),
    ),
  );
};

const finding = (at, open = false) => {
  const row = data.findings[at];
  const head = el(
    "summary",
    {},
    badge(row[F_SEVERITY]),
    el("span", { class: "head" }, el("b", {}, long(row[F_SUBJECT])), el("span", {}, detectorOf(row)), el("span", { class: "dim" }, `${number(row[F_COUNT])}×`), el("span", { class: "dim" }, when(row))),
    el("span", { class: "what" }, long(row[F_SUMMARY])),
  );
  const node = el("details", { class: `finding ${data.severities[row[F_SEVERITY]]}`, "data-id": row[F_ID] }, head);
  const show = () => node.open && node.childElementCount === 1 && node.append(body(at));
  node.addEventListener("toggle", show);
  if (open) {
    node.open = true;
    show();
  }
  return node;
};

const filters = (() => {
  const form = document.getElementById("filters");
  const search = el("input", { type: "search", id: "search", placeholder: "account, address, user agent, audit ID …", autocomplete: "off", spellcheck: "false" });
  const boxes = data.severities.map((severity) => el("input", { type: "checkbox", name: "severity", value: severity, id: `only-${severity}` }));
  const detectors = el("select", { id: "detector" }, el("option", { value: "" }, "all detectors"), data.detectors.map(([id]) => el("option", { value: id }, id)));
  const chips = el("span", { class: "chips" });
  fill(form, [
    el("label", { for: "search" }, "Search ", search),
    el("fieldset", {}, el("legend", {}, "Severity"), [...boxes].reverse().map((box) => el("label", { class: `badge ${box.value}` }, box, ` ${box.value}`))),
    el("label", { for: "detector" }, "Detector ", detectors),
    chips,
  ]);
  // What only a link can ask for: an account, a finding, a span of time. It stays until it is taken away.
  const rest = () => [...route().query].filter(([name]) => ["account", "id", "from", "to"].includes(name));
  const hash = (others) => {
    const query = new URLSearchParams(others);
    if (search.value.trim()) query.set("q", search.value.trim());
    boxes.filter((box) => box.checked).forEach((box) => query.append("severity", box.value));
    if (detectors.value) query.set("detector", detectors.value);
    const text = query.toString();
    return `#/findings${text ? `?${text}` : ""}`;
  };
  const go = () => {
    history.replaceState(null, "", hash(rest()));
    list(route().query);
  };
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(go, 150);
  });
  form.addEventListener("change", (event) => event.target !== search && go());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go();
  });
  const show = (query) => {
    search.value = query.get("q") ?? "";
    const wanted = query.getAll("severity");
    boxes.forEach((box) => (box.checked = wanted.includes(box.value)));
    detectors.value = query.get("detector") ?? "";
    const words = { account: (name) => `account ${name}`, id: () => "one finding", from: (at) => `from ${time(Number(at))}`, to: (at) => `to ${time(Number(at))}` };
    const chip = ([name, value]) => {
      const others = rest().filter(([other]) => other !== name);
      return el("a", { class: "chip", href: hash(others) }, long(words[name](value)), " ✕");
    };
    chips.replaceChildren(...rest().map(chip));
  };
  return { show };
})();

let growList = null;
const list = (query) => {
  const found = matching(query);
  const all = data.findings.length;
  const count = found.length === all ? counted(all, "finding") : `${number(found.length)} of ${counted(all, "finding")}`;
  document.getElementById("finding-count").textContent = count;
  const box = el("div", { class: "list" });
  const { more, grow } = growing(box, found.length, (n) => finding(found[n], query.has("id")), 50);
  growList = grow;
  document.getElementById("finding-list").replaceChildren(box, more);
};

const showStories = () => {
  const box = document.getElementById("stories");
  if (data.stories.length === 0) return;
  box.append(el("h2", {}, "Stories"), el("p", { class: "dim" }, "Findings that hang together: by account within an hour, or by a credential."));
  const one = (story) => {
    const subjects = story.subjects.slice(0, 6).join(", ") + (story.subjects.length > 6 ? ` and ${story.subjects.length - 6} more` : "");
    const rows = story.findings.map((at) => data.findings[at]);
    const ends = rows.map((row) => row[F_LAST]).filter((end) => end !== null);
    const node = el("details", { class: "card story" }, el("summary", {}, badge(story.severity), " ", el("b", {}, long(subjects)), el("span", { class: "dim" }, ` ${counted(rows.length, "finding")}, ${range(rows[0]?.[F_FIRST] ?? null, ends.length ? Math.max(...ends) : null)}`)));
    const item = (row) => el("li", {}, el("span", { class: "nowrap dim" }, row[F_FIRST] === null ? "" : `${iso(row[F_FIRST]).slice(-8)} `), badge(row[F_SEVERITY]), " ", el("a", { href: `#/findings?id=${row[F_ID]}` }, detectorOf(row)), " ", long(row[F_SUMMARY]));
    node.addEventListener("toggle", () => node.childElementCount === 1 && node.append(el("ol", { class: "events" }, rows.map(item))));
    return node;
  };
  const { more } = growing(box, data.stories.length, (n) => one(data.stories[n]), 20);
  box.after(more);
};
