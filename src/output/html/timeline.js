// Requests and findings over time. Drag, buttons or keys zoom; what is shown can be asked of the list of findings.

const timeline = (() => {
  const box = document.getElementById("timeline");
  if (data.range === null) {
    box.remove();
    return { draw: () => {} };
  }
  const [FIRST, LAST] = data.range;
  const SHORTEST = Math.min(10, LAST - FIRST);
  const [TOP, BARS, LANE, AXIS] = [6, 120, 9, 22];
  const HEIGHT = TOP + BARS + 5 * LANE + 8 + AXIS;
  let view = [FIRST, LAST];
  let drag = null;

  const chart = svg("svg", { class: "chart", role: "img", tabindex: "0", height: HEIGHT, "aria-label": "Requests and findings over time; keys: plus and minus zoom, arrows move, 0 shows all" });
  const says = el("output", { class: "dim" });
  const inRange = el("a", { href: "#/findings" }, "findings in this range");
  const button = (text, title, act) => el("button", { type: "button", title, "aria-label": title, onclick: act }, text);
  const move = (from, to) => {
    const length = Math.min(Math.max(to - from, SHORTEST), LAST - FIRST);
    const start = Math.min(Math.max(from, FIRST), LAST - length);
    view = [start, start + length];
    draw();
  };
  const zoom = (factor) => {
    const [middle, half] = [(view[0] + view[1]) / 2, ((view[1] - view[0]) * factor) / 2];
    move(middle - half, middle + half);
  };
  const shift = (share) => {
    const by = (view[1] - view[0]) * share;
    move(view[0] + by, view[1] + by);
  };
  const all = () => move(FIRST, LAST);
  const key = (mark, text) => el("span", { class: "key" }, el("i", { class: mark }), text);
  fill(box, [
    el("h2", {}, "Requests and findings over time"),
    el(
      "div",
      { class: "tools" },
      button("+", "Zoom in", () => zoom(0.5)),
      button("−", "Zoom out", () => zoom(2)),
      button("←", "Earlier", () => shift(-0.5)),
      button("→", "Later", () => shift(0.5)),
      button("All", "Show the whole time", all),
      inRange,
    ),
    chart,
    el("p", { class: "keys" }, data.traffic && [key("accounts", "ServiceAccounts"), key("others", "others"), key("refused", "refused")], [...data.severities].reverse().map((severity) => key(severity, severity)), says),
  ]);

  // Bars are made of whole columns, as many as have room.
  const bars = (width) => {
    const { columns, accounts, others, refused } = data.traffic;
    const clamp = (at) => Math.min(columns.count, Math.max(0, at));
    const from = clamp(Math.floor((view[0] - columns.from) / columns.seconds));
    const to = clamp(Math.ceil((view[1] - columns.from) / columns.seconds));
    const per = Math.max(1, Math.ceil((to - from) / Math.max(1, Math.floor(width / 3))));
    const all = [];
    for (let at = from; at < to; at += per) {
      const sum = (counts) => counts.slice(at, Math.min(to, at + per)).reduce((a, b) => a + b, 0);
      all.push({ start: columns.from + at * columns.seconds, end: columns.from + Math.min(columns.count, at + per) * columns.seconds, accounts: sum(accounts), others: sum(others), refused: sum(refused) });
    }
    return all;
  };

  const tick = (length) => [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000].find((step) => length / step <= 8) ?? 31536000 * 10;
  const axis = (x, width) => {
    const step = tick(view[1] - view[0]);
    const marks = [];
    const most = Math.max(2, Math.floor(width / 90));
    const every = Math.ceil((view[1] - view[0]) / step / most);
    for (let at = Math.ceil(view[0] / step) * step; at < view[1]; at += step * every) {
      const text = iso(at);
      const label = step >= 86400 || text.endsWith("00:00:00") ? text.slice(0, 10) : step >= 60 ? text.slice(-8, -3) : text.slice(-8);
      const middle = x(at);
      if (middle < 24 || middle > width - 24) continue;
      marks.push(svg("line", { x1: middle, x2: middle, y1: TOP, y2: HEIGHT - AXIS, class: "grid" }), svg("text", { x: middle, y: HEIGHT - 6, "text-anchor": "middle" }, label));
    }
    return marks;
  };

  // For each severity the pixels in which something of it was going on.
  const lanes = (x, width) =>
    data.severities.map((severity, rank) => {
      const pixels = new Uint8Array(width + 4);
      for (const row of data.findings) {
        if (row[F_SEVERITY] !== rank || row[F_FIRST] === null || row[F_LAST] < view[0] || row[F_FIRST] > view[1]) continue;
        const [start, end] = [Math.max(0, Math.floor(x(row[F_FIRST]))), Math.min(width, Math.ceil(x(row[F_LAST])))];
        pixels.fill(1, Math.min(start, width - 3), Math.max(end, start + 3));
      }
      const y = TOP + BARS + 4 + (4 - rank) * LANE;
      let path = "";
      for (let at = 0; at < width; at += 1) {
        if (!pixels[at]) continue;
        let end = at;
        while (end < width && pixels[end]) end += 1;
        path += `M${at} ${y}h${end - at}v${LANE - 3}h${at - end}z`;
        at = end;
      }
      return svg("path", { d: path, class: `lane ${severity}` });
    });

  let shown = [];
  const draw = () => {
    const width = Math.floor(chart.clientWidth);
    if (width === 0) return;
    const x = (at) => ((at - view[0]) / (view[1] - view[0])) * width;
    const parts = axis(x, width);
    shown = data.traffic ? bars(width) : [];
    const most = Math.max(1, ...shown.map((bar) => bar.accounts + bar.others));
    const paths = { accounts: "", others: "", refused: "" };
    const base = TOP + BARS;
    for (const bar of shown) {
      const left = Math.max(0, x(bar.start));
      const right = Math.min(width, x(bar.end));
      const wide = Math.max(1, right - left - (right - left > 3 ? 1 : 0));
      const rect = (low, high) => `M${left.toFixed(1)} ${(base - (low / most) * BARS).toFixed(1)}h${wide.toFixed(1)}V${(base - (high / most) * BARS).toFixed(1)}h-${wide.toFixed(1)}z`;
      paths.accounts += rect(0, bar.accounts);
      paths.others += rect(bar.accounts, bar.accounts + bar.others);
      if (bar.refused) paths.refused += rect(0, bar.refused);
    }
    for (const [name, path] of Object.entries(paths)) parts.push(svg("path", { d: path, class: name }));
    if (shown.length) parts.push(svg("text", { x: 4, y: TOP + 10, class: "most" }, `${number(most)} requests in ${span(Math.round(shown[0].end - shown[0].start))}`));
    parts.push(...lanes(x, width));
    if (drag) parts.push(svg("rect", { x: Math.min(drag.from, drag.to), y: 0, width: Math.abs(drag.to - drag.from), height: HEIGHT - AXIS, class: "selection" }));
    chart.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    chart.replaceChildren(...parts);
    const whole = view[0] <= FIRST && view[1] >= LAST;
    inRange.href = whole ? "#/findings" : `#/findings?from=${Math.floor(view[0])}&to=${Math.ceil(view[1])}`;
    inRange.textContent = whole ? "all findings" : `findings from ${range(Math.floor(view[0]), Math.ceil(view[1]))}`;
  };

  const place = (event) => Math.min(chart.clientWidth, Math.max(0, event.clientX - chart.getBoundingClientRect().left));
  const at = (px) => view[0] + (px / chart.clientWidth) * (view[1] - view[0]);
  chart.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drag = { from: place(event), to: place(event) };
    chart.setPointerCapture(event.pointerId);
  });
  chart.addEventListener("pointermove", (event) => {
    const px = place(event);
    if (drag) {
      drag.to = px;
      draw();
      return;
    }
    const second = at(px);
    const bar = shown.find(({ start, end }) => second >= start && second < end);
    says.textContent = bar ? `${time(bar.start)}: ${counted(bar.accounts + bar.others, "request")}, ${number(bar.accounts)} by ServiceAccounts, ${number(bar.refused)} refused` : time(Math.floor(second));
  });
  const drop = () => {
    const { from, to } = drag ?? { from: 0, to: 0 };
    drag = null;
    if (Math.abs(to - from) > 4) move(at(Math.min(from, to)), at(Math.max(from, to)));
    else draw();
  };
  chart.addEventListener("pointerup", () => drag && drop());
  chart.addEventListener("pointercancel", () => {
    drag = null;
    draw();
  });
  chart.addEventListener("dblclick", all);
  chart.addEventListener("wheel", (event) => {
    // Without a key the wheel scrolls the page.
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    const [second, factor] = [at(place(event)), event.deltaY + event.deltaX > 0 ? 1.25 : 0.8];
    move(second - (second - view[0]) * factor, second + (view[1] - second) * factor);
  }, { passive: false });
  const keys = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), ArrowLeft: () => shift(-0.25), ArrowRight: () => shift(0.25), 0: all };
  chart.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
  });
  if ("ResizeObserver" in window) new ResizeObserver(draw).observe(box);
  return { draw };
})();
