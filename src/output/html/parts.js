// What all parts of the page share: the data, elements, numbers and times. Strings become text nodes, never markup.

const read = (id) => document.getElementById(id).textContent;
const data = JSON.parse(read("index"));
const [F_SEVERITY, F_DETECTOR, F_SUBJECT, F_ACCOUNT, F_COUNT, F_FIRST, F_LAST, F_SUMMARY, F_ID] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const [A_NAME, A_REQUESTS, A_REFUSED, A_PEAK, A_SECRETS, A_TOKENS, A_FIRST, A_LAST, A_CELL, A_CELLS] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

// One line of JSON for each finding and account, taken apart when it is looked at.
const lines = (id) => {
  let all = null;
  return (at) => {
    all ??= read(id).split("\n");
    return JSON.parse(all[at]);
  };
};
const detail = lines("details");
const portrait = lines("portraits");

const byAccount = new Map();
data.findings.forEach((row, at) => {
  if (row[F_ACCOUNT] === null) return;
  if (!byAccount.has(row[F_ACCOUNT])) byAccount.set(row[F_ACCOUNT], []);
  byAccount.get(row[F_ACCOUNT]).push(at);
});
const accountAt = new Map(data.accounts.map((row, at) => [row[A_NAME], at]));

const fill = (node, children) => {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
};
const put = (node, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  return fill(node, children);
};
const el = (name, attributes = {}, ...children) => put(document.createElement(name), attributes, children);
const svg = (name, attributes = {}, ...children) =>
  put(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

const number = (n) => n.toString().replace(/\B(?=(\d{3})+(?!\d))/g, ",");
const counted = (n, one) => `${number(n)} ${one}${n === 1 ? "" : "s"}`;
const iso = (seconds) => new Date(seconds * 1000).toISOString().replace("T", " ").replace(/\.\d+Z$/, "");
const time = (seconds) => (seconds === null ? "-" : iso(seconds));
const range = (first, last) => {
  if (first === null || last === null) return time(first ?? last);
  const [a, b] = [iso(first), iso(last)];
  if (a === b) return a;
  return a.slice(0, -9) === b.slice(0, -9) ? `${a} to ${b.slice(-8)}` : `${a} to ${b}`;
};
const span = (seconds) => {
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const at = Math.max(0, units.findIndex(([size]) => seconds >= size));
  const [size, unit] = units[at];
  const whole = Math.floor(seconds / size);
  const rest = units[at + 1] ? Math.floor((seconds % size) / units[at + 1][0]) : 0;
  return rest ? `${whole} ${unit} ${rest} ${units[at + 1][1]}` : `${whole} ${unit}`;
};

// Long texts are cut, and whole behind a button.
const LONG = 300;
const long = (text) => {
  if (text.length <= LONG) return text;
  const whole = el("span", {}, `${text.slice(0, LONG)}… `);
  const more = () => whole.replaceChildren(text);
  whole.append(el("button", { type: "button", class: "quiet", onclick: more }, `${number(text.length - LONG)} more characters`));
  return whole;
};
const code = (text) => el("code", {}, long(text));
const badge = (severity) => el("span", { class: `badge ${data.severities[severity]}` }, data.severities[severity]);

// For commands: one word of a POSIX shell.
const quoted = (word) => (/^[A-Za-z0-9_./:=,@%+][A-Za-z0-9_./:=,@%+-]*$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

const select = (node) => {
  const selection = getSelection();
  selection.removeAllRanges();
  const all = document.createRange();
  all.selectNodeContents(node);
  selection.addRange(all);
};
const command = (text) => {
  const words = el("code", { tabindex: "0" }, text);
  const button = el("button", { type: "button", class: "copy", "aria-label": `Copy: ${text.slice(0, 80)}` }, "Copy");
  const said = (what) => {
    button.textContent = what;
    setTimeout(() => (button.textContent = "Copy"), 1500);
  };
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      said("Copied");
    } catch {
      // Not every browser lets a file reach the clipboard: then the reader's own keys do.
      select(words);
      said("Selected");
    }
  });
  return el("div", { class: "command" }, el("pre", {}, words), button);
};

// A list whose rows come a hundred at a time: by themselves as far as is looked at, or when they are asked for.
const CHUNK = 100;
const growing = (box, total, row, chunk = CHUNK, alone = true) => {
  let shown = 0;
  const more = el("button", { type: "button", class: "more" });
  const grow = (by = chunk) => {
    const end = Math.min(total, shown + by);
    const rows = [];
    for (; shown < end; shown += 1) rows.push(row(shown));
    box.append(...rows);
    more.hidden = shown >= total;
    more.textContent = `Show ${number(Math.min(chunk, total - shown))} more of ${number(total - shown)}`;
  };
  more.addEventListener("click", () => grow());
  if (alone && "IntersectionObserver" in window) {
    new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && !more.hidden && grow()).observe(more);
  }
  grow();
  return { more, grow };
};

const route = () => {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { view: parts[0], parts: parts.slice(1), query: new URLSearchParams(query) };
};
const accountLink = (name) =>
  accountAt.has(name)
    ? el("a", { href: `#/account/${name.split("/").map(encodeURIComponent).join("/")}` }, long(name))
    : el("span", {}, long(name));
