// Accounts: a heat map by hour, a list that sorts, and a page for each.

const VERBS = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
const worst = (name) => Math.max(-1, ...(byAccount.get(name) ?? []).map((at) => data.findings[at][F_SEVERITY]));
const foundOf = (name) => (byAccount.get(name) ?? []).length;

const ORDERS = {
  requests: (a, b) => b[A_REQUESTS] - a[A_REQUESTS],
  findings: (a, b) => worst(b[A_NAME]) - worst(a[A_NAME]) || foundOf(b[A_NAME]) - foundOf(a[A_NAME]) || b[A_REQUESTS] - a[A_REQUESTS],
  name: (a, b) => (a[A_NAME] < b[A_NAME] ? -1 : a[A_NAME] > b[A_NAME] ? 1 : 0),
};

const searchBox = (label, act) => {
  const input = el("input", { type: "search", placeholder: "namespace/name", autocomplete: "off", spellcheck: "false" });
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(act, 150);
  });
  return { input, node: el("label", {}, `${label} `, input) };
};

// Six shades on a logarithmic scale: an account with ten requests is to be seen beside one with a million.
const SHADES = 6;
const heat = (() => {
  const box = document.getElementById("heat");
  const { columns, accounts } = data;
  if (columns === null || accounts.length === 0) {
    box.remove();
    return { draw: () => {} };
  }
  let most = 1;
  for (const row of accounts) for (const count of row[A_CELLS]) most = Math.max(most, count);
  const shade = (count) => Math.min(SHADES - 1, Math.floor((SHADES * Math.log(1 + count)) / Math.log(2 + most)));
  const start = (cell) => columns.from + cell * columns.seconds;

  const picture = (row) => {
    const paths = new Array(SHADES).fill("");
    row[A_CELLS].forEach((count, n) => {
      if (count > 0) paths[shade(count)] += `M${row[A_CELL] + n} 0h1v1h-1z`;
    });
    const marks = data.severities.map(() => "");
    for (const at of byAccount.get(row[A_NAME]) ?? []) {
      const found = data.findings[at];
      if (found[F_FIRST] === null) continue;
      const cell = Math.max(0, Math.floor((found[F_FIRST] - columns.from) / columns.seconds));
      marks[found[F_SEVERITY]] += `M${cell} .78h1v.22h-1z`;
    }
    return svg(
      "svg",
      { viewBox: `0 0 ${columns.count} 1`, preserveAspectRatio: "none", class: "heat", "data-account": row[A_NAME], role: "img", "aria-label": `${counted(row[A_REQUESTS], "request")}, ${range(row[A_FIRST], row[A_LAST])}` },
      paths.map((path, n) => path && svg("path", { d: path, class: `h${n}` })),
      marks.map((path, n) => path && svg("path", { d: path, class: data.severities[n] })),
    );
  };

  const says = el("output", { class: "dim" }, " ");
  const order = el("select", {}, [["findings", "gravest findings"], ["requests", "most requests"], ["name", "name"]].map(([value, text]) => el("option", { value }, text)));
  const search = searchBox("Filter", () => draw());
  const rows = el("tbody");
  const grid = el(
    "table",
    { class: "heatmap" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Account"), el("th", { scope: "col", class: "hours" }, el("span", {}, time(start(0))), el("span", {}, time(start(columns.count)))), el("th", { scope: "col", class: "number" }, "Requests"))),
    rows,
  );
  const legend = el("span", { class: "key" }, "fewer ", Array.from({ length: SHADES }, (_, n) => el("i", { class: `h${n}` })), ` more (up to ${number(most)})`);
  const footer = el("div");
  fill(box, [
    el("h2", {}, columns.seconds === 3600 ? "Accounts by hour" : `Accounts over time, ${span(columns.seconds)} a column`),
    el("div", { class: "tools" }, search.node, el("label", {}, "Sort by ", order)),
    grid,
    footer,
    el("p", { class: "keys" }, legend, says),
  ]);
  rows.addEventListener("pointermove", (event) => {
    const target = event.target.closest("svg");
    if (target === null) return;
    const { left, width } = target.getBoundingClientRect();
    const cell = Math.min(columns.count - 1, Math.max(0, Math.floor(((event.clientX - left) / width) * columns.count)));
    const row = accounts[accountAt.get(target.dataset.account)];
    const count = row[A_CELLS][cell - row[A_CELL]] ?? 0;
    says.textContent = `${row[A_NAME].slice(0, 80)}, ${range(start(cell), start(cell + 1))}: ${counted(count, "request")}`;
  });
  const draw = () => {
    const word = search.input.value.trim().toLowerCase();
    const wanted = accounts.filter((row) => row[A_NAME].toLowerCase().includes(word)).sort(ORDERS[order.value]);
    const line = (n) => {
      const row = wanted[n];
      return el("tr", {}, el("th", { scope: "row" }, accountLink(row[A_NAME])), el("td", { class: "hours" }, picture(row)), el("td", { class: "number" }, number(row[A_REQUESTS])));
    };
    rows.replaceChildren();
    // Below are other things to read: rows come when they are asked for.
    footer.replaceChildren(growing(rows, wanted.length, line, 25, false).more);
  };
  order.addEventListener("change", () => draw());
  return { draw };
})();

const COLUMNS = [
  ["Account", (row) => row[A_NAME], (row) => accountLink(row[A_NAME])],
  ["Findings", (row) => (worst(row[A_NAME]) + 1) * 1e6 + foundOf(row[A_NAME]), (row) => foundOf(row[A_NAME]) > 0 && [badge(worst(row[A_NAME])), ` ${foundOf(row[A_NAME])}`]],
  ["Requests", (row) => row[A_REQUESTS], (row) => number(row[A_REQUESTS])],
  ["Refused", (row) => row[A_REFUSED], (row) => (row[A_REFUSED] ? number(row[A_REFUSED]) : "")],
  ["Peak /s", (row) => row[A_PEAK], (row) => row[A_PEAK].toFixed(1)],
  ["Secrets read", (row) => row[A_SECRETS], (row) => row[A_SECRETS] || ""],
  ["Tokens", (row) => row[A_TOKENS], (row) => row[A_TOKENS] || ""],
  ["First", (row) => row[A_FIRST] ?? Infinity, (row) => time(row[A_FIRST])],
  ["Last", (row) => row[A_LAST] ?? -Infinity, (row) => time(row[A_LAST])],
];

const accountList = (() => {
  const box = document.getElementById("account-list");
  if (data.accounts.length === 0) return { draw: () => {} };
  let [sort, down] = [1, true];
  let drawn = false;
  const search = searchBox("Filter", () => draw());
  const heads = COLUMNS.map(([title], n) => {
    const act = () => {
      [sort, down] = [n, sort === n ? !down : n !== 0 && n !== 7];
      draw();
    };
    return el("th", { scope: "col", class: n > 1 && n < 7 ? "number" : null }, el("button", { type: "button", onclick: act }, title));
  });
  const rows = el("tbody");
  const count = el("span", { class: "dim", role: "status" });
  const footer = el("div");
  fill(box, [el("div", { class: "tools" }, search.node, count), el("div", { class: "scroll" }, el("table", { class: "accounts" }, el("thead", {}, el("tr", {}, heads)), rows)), footer]);
  const draw = () => {
    drawn = true;
    const word = search.input.value.trim().toLowerCase();
    const [, key] = COLUMNS[sort];
    const compare = (a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0) * (down ? -1 : 1) || ORDERS.name(a, b);
    const wanted = data.accounts.filter((row) => row[A_NAME].toLowerCase().includes(word)).sort(compare);
    heads.forEach((head, n) => (n === sort ? head.setAttribute("aria-sort", down ? "descending" : "ascending") : head.removeAttribute("aria-sort")));
    count.textContent = wanted.length === data.accounts.length ? counted(wanted.length, "account") : `${number(wanted.length)} of ${counted(data.accounts.length, "account")}`;
    rows.replaceChildren();
    const line = (n) => el("tr", {}, COLUMNS.map(([, , cell], c) => el(c === 0 ? "th" : "td", { scope: c === 0 ? "row" : null, class: c > 1 && c < 7 ? "number" : c > 6 ? "nowrap" : null }, cell(wanted[n]))));
    footer.replaceChildren(growing(rows, wanted.length, line).more);
  };
  return { draw: () => drawn || draw() };
})();

// Resources and namespaces down, verbs across, requests inside.
const matrix = (title, rows, total, kind) => {
  if (rows.length === 0) return null;
  const verbs = [...new Set(rows.map(([verb]) => verb))].sort((a, b) => (VERBS.indexOf(a) + 1 || 99) - (VERBS.indexOf(b) + 1 || 99) || (a < b ? -1 : 1));
  const places = new Map();
  for (const [verb, resource, place, count, names] of rows) {
    const key = JSON.stringify([resource, place]);
    if (!places.has(key)) places.set(key, { resource, place, counts: new Map(), names: new Set(), sum: 0 });
    const known = places.get(key);
    known.counts.set(verb, (known.counts.get(verb) ?? 0) + count);
    known.sum += count;
    names.forEach((name) => known.names.add(name));
  }
  const sorted = [...places.values()].sort((a, b) => b.sum - a.sum);
  const head = el("tr", {}, ["Resource", "Namespace"].map((text) => el("th", { scope: "col" }, text)), verbs.map((verb) => el("th", { scope: "col", class: "number" }, long(verb))), el("th", { scope: "col" }, "Names"));
  const where = { "*": "the whole cluster", "(many)": "many" };
  const line = ({ resource, place, counts, names }) =>
    el("tr", {}, el("th", { scope: "row" }, code(resource)), el("td", {}, long(where[place] ?? place)), verbs.map((verb) => el("td", { class: counts.has(verb) ? `number ${kind}` : "number" }, counts.has(verb) ? number(counts.get(verb)) : "")), el("td", { class: "names" }, long([...names].slice(0, 8).join(", ") + (names.size > 8 ? ` and ${names.size - 8} more` : ""))));
  return el("section", { class: "card" }, el("h3", {}, title), el("div", { class: "scroll" }, el("table", { class: "matrix" }, el("thead", {}, head), el("tbody", {}, sorted.map(line)))), total > rows.length && el("p", { class: "dim" }, `The ${number(rows.length)} most used of ${number(total)} permissions; all: satrail account --format json.`));
};

const tokens = (all, more) =>
  all.length > 0 &&
  el(
    "section",
    { class: "card" },
    el("h3", {}, "Tokens"),
    el(
      "div",
      { class: "scroll" },
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, ["Credential", "Kind", "Requests", "Used", "From", "Pod", "Made"].map((title) => el("th", { scope: "col" }, title)))),
        el("tbody", {}, all.map((token) => el("tr", {}, el("th", { scope: "row" }, code(token.id)), el("td", {}, token.kinds.join(", ")), el("td", { class: "number" }, number(token.requests)), el("td", { class: "nowrap" }, token.requests ? range(token.first, token.last) : "never"), el("td", {}, long(token.addresses.join(", "))), el("td", {}, long(token.pods.join(", "))), el("td", {}, token.minted ? long(`${time(token.minted[0])} by ${token.minted[1]} from ${token.minted[2]}`) : "not in this log")))),
      ),
    ),
    more && el("p", { class: "dim" }, "There were more tokens than are kept."),
  );

const valueList = ([title, [distinct, complete, rows]]) =>
  el(
    "section",
    { class: "card" },
    el("h3", {}, title, el("span", { class: "dim" }, ` ${complete ? "" : "about "}${number(distinct)}`)),
    el("table", { class: "values" }, el("tbody", {}, rows.map(([value, count, first, last]) => el("tr", {}, el("th", { scope: "row" }, long(value || "(none)")), el("td", { class: "number" }, number(count)), el("td", { class: "dim nowrap" }, range(first, last)))))),
    distinct > rows.length && el("p", { class: "dim" }, "The most frequent; more: satrail account."),
  );

const spark = ([from, seconds, counts]) => {
  const most = Math.max(1, ...counts);
  const path = counts.map((count, n) => (count ? `M${n} 40h.85v-${Math.max(1, (count / most) * 40).toFixed(2)}h-.85z` : "")).join("");
  return el("section", { class: "card" }, el("h3", {}, "Requests over time"), svg("svg", { class: "spark", viewBox: `0 0 ${Math.max(counts.length, 30)} 40`, preserveAspectRatio: "none", role: "img", "aria-label": `at most ${number(most)} requests in ${span(seconds)}` }, svg("path", { d: path, class: "accounts" })), el("p", { class: "dim" }, `From ${time(from)}; a column is ${span(seconds)}, the highest ${counted(most, "request")}.`));
};

const accountPage = (name) => {
  const box = document.getElementById("account");
  const at = accountAt.get(name);
  if (at === undefined) {
    box.replaceChildren(el("h2", {}, long(name)), el("p", {}, "This report has no page for that account."));
    return;
  }
  const row = data.accounts[at];
  const all = portrait(at);
  const found = byAccount.get(name) ?? [];
  const fact = (label, text) => text && el("div", {}, el("dt", {}, label), el("dd", {}, text));
  const findings = el("div", { class: "list" });
  const grown = growing(findings, found.length, (n) => finding(found[n]), 50);
  box.replaceChildren(
    el("p", {}, el("a", { href: "#/accounts" }, "← all accounts")),
    el("h2", {}, long(name)),
    el(
      "dl",
      { class: "facts" },
      fact("Requests", `${number(row[A_REQUESTS])}, ${number(row[A_REFUSED])} refused, ${number(all.failed)} failed`),
      fact("Time", range(row[A_FIRST], row[A_LAST])),
      fact("Peak", all.peak && `${counted(all.peak[2], "request")} in ${span(all.peak[1])} from ${time(all.peak[0])} (${row[A_PEAK].toFixed(1)}/s)`),
      fact("Discovery", all.discovery > 0 && `${counted(all.discovery, "request")} that every account may make`),
    ),
    all.timeline ? spark(all.timeline) : "",
    el("h3", {}, counted(found.length, "finding")),
    findings,
    grown.more,
    ...[
      matrix("What it used", all.used, all.used_rows, "used"),
      matrix("What it was refused", all.denied, all.denied_rows, "denied"),
      tokens(all.credentials, all.more_credentials),
    ].filter(Boolean),
    el("div", { class: "columns" }, all.lists.map(valueList)),
    el("section", { class: "card" }, el("h3", {}, "Go on"), el("p", {}, "All of it, with runbooks; the role that it needs. LOG is the log that this report was made of."), command(`satrail account ${quoted(name)} LOG`), command(`satrail rbac --account ${quoted(name)} LOG`)),
  );
};
