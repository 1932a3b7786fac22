// Recomputes a scenario in the page: model(x, w, t, y) is the models' own arithmetic, written by gigacluster.emission.
(() => {
  const page = document.querySelector(".whatif");
  const data = JSON.parse(page.querySelector("script.data").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  const columns = Object.fromEntries(Object.entries(data.samples).map(([name, text]) => [name, new Float32Array(bytes(text))]));
  const tables = data.tables.map((text) => new Float64Array(bytes(text)));
  const count = Math.min(...Object.values(columns).map((column) => column.length));
  // An input with rows, such as months, has the rows of each sample beside each other; the others are doubles throughout.
  const rowsOf = {};
  for (const [name, column] of Object.entries(columns)) {
    const rows = column.length / count;
    if (rows > 1) rowsOf[name] = Array.from({ length: count }, (_, i) => column.subarray(i * rows, (i + 1) * rows));
    else columns[name] = Float64Array.from(column);
  }
  const names = data.outputs.map(([name]) => name);
  let chosen = 0;  // of the chips and numbers on offer

  // Every answer for changed medians; a changed input takes its samples along. `chips` is the place of the chosen chip and
  // number, which brings facts of its plan and moves medians of its own. Arrays are made once and used again.
  const x = new Float64Array(data.inputs.length), w = new Array(data.inputs.length).fill(null);
  const y = new Float64Array(names.length), found = names.map(() => new Float64Array(count));
  const answers = Object.fromEntries(names.map((name, k) => [name, found[k]]));
  const moved = {};  // by input: the median for which its samples were moved last, and where they are now
  const columnOf = (name, value) => {
    const old = data.medians[name], kept = moved[name] ??= { value: old, column: columns[name].slice() };
    if (kept.value === value) return kept.column;
    const [least, most] = data.limits[name].map((limit, place) => limit ?? [-Infinity, Infinity][place]);
    const drawn = columns[name], factor = old ? value / old : 1, shift = old ? 0 : value;
    for (let i = 0; i < count; i++) kept.column[i] = Math.min(Math.max(drawn[i] * factor + shift, least), most);
    kept.value = value;
    return kept.column;
  };
  const lay = (typed, chips) => {
    const { facts, medians } = data.swaps[chips], drawn = [], rows = [];
    data.inputs.forEach((name, k) => {
      const value = typed[name] ?? medians[name];
      if (name === "horizon_months") x[k] = value ?? data.horizon;
      else if (name in facts) x[k] = facts[name];
      else if (name in rowsOf) rows.push([k, rowsOf[name]]);
      else drawn.push([k, value === undefined ? columns[name] : columnOf(name, value)]);
    });
    return (i) => {
      for (let place = 0; place < drawn.length; place++) x[drawn[place][0]] = drawn[place][1][i];
      for (let place = 0; place < rows.length; place++) w[rows[place][0]] = rows[place][1][i];
    };
  };
  const compute = (typed, chips = chosen) => {
    const take = lay(typed, chips);
    for (let i = 0; i < count; i++) {
      take(i);
      model(x, w, tables, y);
      for (let k = 0; k < found.length; k++) found[k][i] = y[k];
    }
    return answers;
  };
  // The answer of the map alone, by a function of its own, for the first `size` samples: in how many it is above 0.
  const chanceOf = (typed, size) => {
    const take = lay(typed, chosen);
    let known = 0, above = 0;
    for (let i = 0; i < size; i++) {
      take(i);
      mapped(x, w, tables, y);
      known += !Number.isNaN(y[0]);
      above += y[0] > 0;
    }
    return above / known;
  };
  // Quantiles by selection: what stands at a place if the numbers were sorted, those before it being no larger.
  const scratch = new Float64Array(count);
  const select = (left, right, place) => {
    while (left < right) {
      const pivot = scratch[(left + right) >> 1];
      let i = left, j = right;
      while (i <= j) {
        while (scratch[i] < pivot) i++;
        while (scratch[j] > pivot) j--;
        if (i <= j) { const kept = scratch[i]; scratch[i++] = scratch[j]; scratch[j--] = kept; }
      }
      if (place <= j) right = j; else if (place >= i) left = i; else break;
    }
    return scratch[place];
  };
  const interval = (values) => {
    let known = 0, start = 0;
    for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i])) scratch[known++] = values[i];
    if (!known) return [NaN, NaN, NaN, 1];
    const ends = [0.05, 0.5, 0.95].map((share) => {
      const at = share * (known - 1), low = Math.floor(at), value = select(start, known - 1, low);
      let next = low + 1 < known ? Infinity : value;
      for (let i = low + 1; i < known; i++) if (scratch[i] < next) next = scratch[i];
      start = low;
      return at === low ? value : value + (next - value) * (at - low);
    });
    return [...ends, 1 - known / values.length];
  };
  const shareAbove = (values) => {
    let known = 0, above = 0;
    for (let i = 0; i < values.length; i++) { known += !Number.isNaN(values[i]); above += values[i] > 0; }
    return above / known;
  };

  // Numbers as gigareport.words writes them; the script of every page has the first of these.
  const inWords = (size, digits) => {
    for (const [scale, word] of [[1e12, " trillion"], [1e9, " billion"], [1e6, " million"]]) {
      if (size >= scale * (1 - 0.5 * 10 ** -digits)) return number(size / scale, digits) + word;
    }
    return number(size, digits);
  };
  const usd = (value, digits = 2) => {
    if (!Number.isFinite(value)) return "not known";
    const size = Math.abs(value);
    return `${value < 0 ? "-" : ""}$${inWords(size, size >= 1 && size < 10 ? Math.max(digits, 3) : digits)}`;
  };
  const better = (value) => `${usd(Math.abs(value))} ${value < 0 ? "worse" : "better"}`;
  const share = (value) => !Number.isFinite(value) ? "not known" : value >= 0.995 && value < 1 ? "over 99 %" : value > 0 && value < 0.005 ? "under 1 %" : `${(100 * value).toFixed(0)} %`;
  const duration = (seconds, digits) => {
    for (const [size, unit] of [[86400, "days"], [3600, "hours"], [60, "minutes"], [1, "seconds"]]) {
      if (Math.abs(seconds) >= 2 * size || (size === 1 && Math.abs(seconds) >= 1)) return `${number(seconds / size, digits)} ${unit}`;
    }
    return `${number(1000 * seconds, digits)} milliseconds`;
  };
  const plurals = { chip: "chips", day: "days", month: "months", token: "tokens", parameter: "parameters", point: "points", nat: "nats", 1: "" };
  const pers = { "(chip h)": "chip-hour" };
  const counted = ["parameter", "token"];
  const quantity = (value, unit, digits = 2) => {
    if (!Number.isFinite(value)) return "not known";
    const [what, ...rest] = unit.split("/"), per = rest.join("/");
    if (per && per !== "s") return `${quantity(value, what, digits)} a ${pers[per] ?? per}`;
    if (unit === "USD") return usd(value, digits);
    if (unit in { s: 1, min: 1, h: 1 }) return duration(value * { s: 1, min: 60, h: 3600 }[unit], digits);
    if (unit === "%" || (unit === "1" && Math.abs(value) <= 1)) return `${number(100 * value, digits)} %`;
    if (counted.includes(unit) && value >= 1e6) return `${inWords(value, digits)} ${plurals[unit]}`;
    if (Math.abs(value) >= 100 && Math.abs(value) < 1000) digits = 3;
    return `${number(value, digits)} ${plurals[unit] ?? unit}`.trim();
  };
  const between = (low, median, high, given, digits) => {
    const unit = given !== "1" ? given : Math.abs(median) <= 1 ? "%" : "";
    const [a, b] = [quantity(low, unit, digits), quantity(high, unit, digits)];
    if (a === b) return "the same from 5 to 95 %";
    const [head, ...more] = a.split(" "), rest = more.join(" ");
    const isSame = rest && !rest.startsWith("×") && b.endsWith(` ${rest}`) && !a.startsWith("-$");
    if (!isSame && [...counted, "FLOP"].includes(unit) && rest.includes(" ")) return `${a.slice(0, a.lastIndexOf(" "))} to ${b}`;
    return `${isSame ? head : a} to ${b}`;
  };
  const told = ([low, median, high, without], unit) => {
    const digits = Math.abs(high - low) > 0.2 * Math.abs(median) ? 2 : 3;
    return [quantity(median, unit, digits), between(low, median, high, unit, digits) + (without ? `; none in ${share(without)} of the samples` : "")];
  };

  // What the reader changed; the address holds it, so that a link carries a what-if.
  const state = {}, menu = page.querySelector("select.chips");
  const middleOf = (name) => data.swaps[chosen].medians[name] ?? data.medians[name];
  const fields = [...page.querySelectorAll(".field[data-name]")];
  const allowed = (name) => { const [least, most] = data.limits[name]; return `${least === null ? "" : `at least ${+least.toPrecision(4)}`}${least !== null && most !== null ? ", " : ""}${most === null ? "" : `at most ${+most.toPrecision(4)}`}` || "any number"; };
  const isAllowed = (name, value) => Number.isFinite(value) && value >= (data.limits[name][0] ?? -Infinity) && value <= (data.limits[name][1] ?? Infinity);
  const sliderEnds = (name) => {
    const middle = middleOf(name), [least, most] = data.limits[name];
    if (name === "horizon_months" || middle === 0) return [least ?? 0, most ?? 1, false];
    return [Math.max(least ?? 0, middle / 4) || middle / 4, Math.min(most ?? Infinity, middle * 4), true];
  };
  const toSlider = (name, value) => { if (name === "horizon_months") return value; const [low, high, isLog] = sliderEnds(name); return 100 * (isLog ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low)); };
  const fromSlider = (name, place) => {
    if (name === "horizon_months") return place;
    const [low, high, isLog] = sliderEnds(name), value = isLog ? low * (high / low) ** (place / 100) : low + (high - low) * place / 100;
    return Number(value.toPrecision(3));
  };
  const valueOf = (name) => state[name] ?? middleOf(name);
  const fill = (field) => {
    const name = field.dataset.name, value = valueOf(name);
    field.querySelector("input[type=number]").value = Number(value.toPrecision(6));
    const slider = field.querySelector("input[type=range]");
    if (name === "horizon_months") [slider.min, slider.max, slider.step] = [...data.limits[name], 1];  // whole months
    slider.value = toSlider(name, value);
    slider.setAttribute("aria-valuetext", String(Number(value.toPrecision(6))));
    field.classList.toggle("moved", name in state);
  };
  const complain = (field, text) => {
    const said = field.querySelector(".fault");
    said.textContent = text;
    said.hidden = !text;
    field.querySelector("input[type=number]").setAttribute("aria-invalid", String(Boolean(text)));
  };
  const set = (name, value) => {
    const whole = name === "horizon_months" ? Math.round(value) : value;
    if (whole === middleOf(name) || Math.abs(whole - middleOf(name)) < 1e-6 * Math.abs(middleOf(name))) delete state[name]; else state[name] = whole;
  };
  const status = page.querySelector(".state"), note = page.querySelector(".chips-note"), price = "rent.committed_usd_per_chip_hour";
  const choose = (place) => {
    chosen = Math.max(place, 0);
    menu.value = String(chosen);
    const { chip, medians } = data.swaps[chosen], own = data.swaps[0].chip;
    const isWithout = chip !== own && price in data.medians && !(price in medians);
    note.textContent = chosen === 0 ? "" : `The plan is the best one found for them; price, power, network and failures are those of the tables for ${chip}.` + (isWithout ? ` No rent of ${chip} is listed in the year before the decision: the price of the contract stays that of ${own}, type another.` : "");
    note.hidden = !note.textContent;
  };
  const readAddress = () => {
    for (const name of Object.keys(state)) delete state[name];
    const text = location.hash.slice(1), faults = [];
    const asked = new URLSearchParams(text.includes("=") ? text : ""), chips = asked.get("chips");  // another hash is a place of the page
    choose(chips === null ? 0 : data.swaps.findIndex(({ key }) => key === chips));
    if (chips !== null && data.swaps[chosen].key !== chips) faults.push(`“${chips.slice(0, 40)}” are no chips of this page`);
    asked.delete("chips");
    for (const [name, text] of asked) {
      const value = Number(text), field = fields.find((box) => box.dataset.name === name);
      if (!field) { faults.push(`“${name.slice(0, 40)}” is no input of this page`); continue; }
      if (text.trim() === "" || !isAllowed(name, value)) { faults.push(`${field.dataset.label}: ${allowed(name)}`); complain(field, `The link gave ${text.slice(0, 20)}; ${allowed(name)}.`); continue; }
      set(name, value);
    }
    status.textContent = faults.length ? `The link was not followed in full: ${faults.join("; ")}.` : "";
  };
  const writeAddress = () => {
    const chips = chosen ? [["chips", data.swaps[chosen].key]] : [];
    const text = new URLSearchParams([...chips, ...Object.entries(state).map(([name, value]) => [name, String(value)])]).toString();
    try { history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search); } catch { location.hash = text; }
  };

  const put = (element, attributes) => { for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value); return element; };
  const write = (element, plain) => { const text = joined(plain); if (element.textContent !== text) element.textContent = text; };
  const svg = (tag, attributes, parent) => parent.appendChild(put(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes));
  const ink = { fill: "currentColor" };

  // The figures are made once; a change moves their attributes.
  const spread = (() => {
    const box = page.querySelector(".histogram svg"), width = 600, height = 215, base = 160, bins = 40;
    const bars = Array.from({ length: bins }, (_, place) => svg("rect", { x: width * place / bins + 0.5, width: width / bins - 1 }, box));
    const outline = svg("polyline", { fill: "none", stroke: "currentColor", "stroke-width": 1.2, "stroke-dasharray": "3 2" }, box);
    const zero = svg("line", { y1: 0, y2: base, stroke: "currentColor" }, box);
    const labels = [height - 8, height - 33, height - 8].map((y) => svg("text", { ...ink, y, "text-anchor": "middle" }, box));  // "equal" in a row of its own
    const both = new Float64Array(count);
    let before;
    return (advantage) => {
      before ??= advantage.slice();  // what the page shows first
      for (let i = 0; i < count; i++) both[i] = i % 2 ? advantage[i] : before[i];
      const ends = interval(both), reach = [Math.min(ends[0], 0), Math.max(ends[2], 0)], pad = 0.15 * (reach[1] - reach[0] || 1);
      const low = reach[0] - pad, high = reach[1] + pad, at = (value) => width * (value - low) / (high - low);
      const counts = (values) => { const sizes = new Array(bins).fill(0); for (const value of values) { const place = Math.floor(bins * (value - low) / (high - low)); if (place >= 0 && place < bins) sizes[place] += 1; } return sizes; };
      const [mine, old] = [counts(advantage), counts(before)], most = Math.max(...mine, ...old, 1), top = (size) => base - 150 * size / most;
      mine.forEach((size, place) => put(bars[place], { y: top(size), height: base - top(size), fill: low + (high - low) * (place + 0.5) / bins > 0 ? "var(--c0)" : "var(--c1)" }));
      put(outline, { points: old.map((size, place) => `${width * place / bins},${top(size)} ${width * (place + 1) / bins},${top(size)}`).join(" ") });
      put(zero, { x1: at(0), x2: at(0) });
      [low + pad, 0, high - pad].forEach((value, place) => {
        const label = labels[place];
        write(label, value === 0 ? place === 1 ? "equal" : "" : better(value));
        const half = label.getComputedTextLength() / 2;
        put(label, { x: Math.min(Math.max(at(value), half), width - half) });
      });
      write(page.querySelector(".histogram figcaption"), `Owning is better, its own months counted, in ${share(shareAbove(advantage))} of the samples (dashed: before any change)`);
      const [a, , b] = interval(advantage);
      put(box, { "aria-label": `How much better or worse owning is: from ${better(a)} to ${better(b)} in 5 to 95 % of the samples.` });
    };
  })();
  const map = (() => {
    if (!(price in data.medians)) { page.querySelector(".map").remove(); return function* () { /* no price, no map */ }; }
    const box = page.querySelector(".map svg"), [nx, ny, few, width, height, left] = [12, 10, 120, 600, 300, 84];
    const terms = Array.from({ length: nx }, (_, i) => Math.round(12 + (data.limits.horizon_months[1] - 12) * i / (nx - 1)));
    const fills = { own: "var(--r-own)", rent: "var(--r-rent)", close: "var(--r0)" };
    const cells = Array.from({ length: ny }, (_, j) => terms.map((_, i) => {
      const cell = svg("rect", { x: left + i * (width - left) / nx, y: (ny - 1 - j) * (height - 40) / ny, width: (width - left) / nx + 0.5, height: (height - 40) / ny + 0.5, fill: "var(--tint)" }, box);
      return [cell, svg("title", {}, cell)];
    }));
    const sides = [0, ny - 1].map((j) => [svg("text", { ...ink, x: left - 6, y: (ny - 0.5 - j) * (height - 40) / ny + 4, "text-anchor": "end" }, box), j]);
    [0, nx - 1].forEach((i) => write(svg("text", { ...ink, x: i ? width : left, y: height - 12, "text-anchor": i ? "end" : "start" }, box), `${terms[i]} months`));
    return function* () {
      const parts = { own: 0, rent: 0, close: 0 }, prices = Array.from({ length: ny }, (_, j) => middleOf(price) * 2 ** (-1 + 2 * j / (ny - 1)));
      for (const [text, j] of sides) write(text, usd(prices[j], 3));
      for (let j = 0; j < ny; j++) {
        for (let i = 0; i < nx; i++) {
          const chance = chanceOf({ ...state, [price]: prices[j], horizon_months: terms[i] }, few);
          const choice = chance >= 0.9 ? "own" : chance <= 0.1 ? "rent" : "close", [cell, tip] = cells[j][i];
          parts[choice] += 1;
          put(cell, { fill: fills[choice] });
          write(tip, `${terms[i]} months at ${usd(prices[j], 3)} a chip-hour: owning is cheaper in ${share(chance)} of the samples`);
          yield;
        }
      }
      put(box, { "aria-label": `Map of price and horizon: owning wins in ${share(parts.own / nx / ny)} of the plane, renting in ${share(parts.rent / nx / ny)}.` });
    };
  })();

  const rows = [...page.querySelectorAll("tr[data-name]")].map((row) => ({ place: names.indexOf(row.dataset.name), now: row.querySelector(".now"), ends: row.querySelector(".ends"), folded: Boolean(row.closest("details")) })).filter(({ place }) => place >= 0);
  const tellRow = ({ place, now, ends }) => {
    const [median, between] = told(interval(found[place]), data.outputs[place][2]);
    write(now, median);
    write(ends, between);
  };
  // What is seen follows in the next frame; address, folded answers and map follow while nothing else is to be done.
  let waiting = 0, run = 0, isNews = false;
  const show = () => {
    waiting = 0;
    compute(state);
    const isMoved = chosen > 0 || Object.keys(state).length > 0;
    if (isMoved) page.dataset.moved = "yes";
    if (page.dataset.moved) {
      rows.filter(({ folded }) => !folded).forEach(tellRow);
      write(page.querySelector(".verdict"), `Owning is cheaper for the same useful work in ${share(shareAbove(answers.saving_usd))} of the samples, and better in ${share(shareAbove(answers.advantage_usd))} where each is counted with its own months.`);
      write(page.querySelector(".count"), count.toLocaleString("en-US"));
    }
    spread(answers.advantage_usd);
    follow();
  };
  function* rest() {
    if (isNews) writeAddress();
    isNews = false;
    if (page.dataset.moved) for (const row of rows) if (row.folded) { tellRow(row); yield; }
    yield* map();
  }
  const follow = () => {
    const mine = ++run, work = rest();
    const step = () => {
      if (mine !== run) return;
      const until = performance.now() + 8;
      while (performance.now() < until) if (work.next().done) { page.setAttribute("aria-busy", "false"); return; }
      setTimeout(step);
    };
    setTimeout(step, 60);
  };
  const later = (byReader = true) => { isNews ||= byReader; run += 1; page.setAttribute("aria-busy", "true"); waiting ||= requestAnimationFrame(show); };
  for (const field of fields) {
    const name = field.dataset.name, typed = field.querySelector("input[type=number]"), slider = field.querySelector("input[type=range]");
    typed.addEventListener("input", () => {
      const value = typed.valueAsNumber;
      if (!isAllowed(name, value)) { complain(field, `Allowed: ${allowed(name)}.`); return; }
      complain(field, "");
      set(name, value);
      slider.value = toSlider(name, value);
      field.classList.toggle("moved", name in state);
      later();
    });
    slider.addEventListener("input", () => { complain(field, ""); set(name, fromSlider(name, Number(slider.value))); fill(field); later(); });
  }
  menu.addEventListener("input", () => { choose(Number(menu.value)); fields.forEach(fill); later(); });
  page.querySelector(".reset").addEventListener("click", () => { choose(0); for (const name of Object.keys(state)) delete state[name]; fields.forEach((field) => { complain(field, ""); fill(field); }); later(); });
  const saved = page.querySelector("a.csv");
  saved.addEventListener("click", () => {
    const now = compute(state), quoted = (text) => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    const lines = names.map((name, place) => [name, quoted(data.outputs[place][1]), ...interval(now[name]), data.outputs[place][2]].join(","));
    const changes = fields.filter((field) => field.dataset.name in state).map((field) => `# ${field.dataset.name}: ${state[field.dataset.name]}`);
    if (chosen) changes.unshift(`# chips: ${data.swaps[chosen].count.toLocaleString("en-US")} ${data.swaps[chosen].chip}`);
    const head = [`# ${document.title}`, `# ${count} samples; changed inputs (medians):`, ...changes, "# source: gigacluster models; licence: MIT", "quantity,label,low,median,high,without_frac,unit"];
    saved.href = "data:text/csv;charset=utf-8," + encodeURIComponent([...head, ...lines].join("\n") + "\n");
  });
  addEventListener("hashchange", () => { fields.forEach((field) => complain(field, "")); readAddress(); fields.forEach(fill); later(false); });
  spread(compute({}, 0).advantage_usd);
  readAddress();
  fields.forEach(fill);
  page.querySelectorAll(".live").forEach((part) => { part.hidden = false; });
  later(false);
  globalThis.gigaclusterWhatIf = (changes, chips = 0) => Object.fromEntries(Object.entries(compute(changes, chips)).map(([name, values]) => { const ends = interval(values); return [name, [...ends, ...told(ends, data.outputs[names.indexOf(name)][2])]]; }));
})();
