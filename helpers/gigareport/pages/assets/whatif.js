// Recomputes a scenario in the page: model(x, t, y) is the models' own arithmetic, written by gigacluster.emission.
(() => {
  const page = document.querySelector(".whatif");
  const data = JSON.parse(page.querySelector("script.data").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  const columns = Object.fromEntries(Object.entries(data.samples).map(([name, text]) => [name, new Float32Array(bytes(text))]));
  const tables = data.tables.map((text) => new Float64Array(bytes(text)));
  const count = Math.min(...Object.values(columns).map((column) => column.length));
  // An input with rows, such as months, has the rows of each sample beside each other.
  const rowsOf = Object.fromEntries(Object.entries(columns).filter(([, column]) => column.length > count).map(([name, column]) => {
    const rows = column.length / count;
    return [name, Array.from({ length: count }, (_, i) => column.subarray(i * rows, (i + 1) * rows))];
  }));
  const names = data.outputs.map(([name]) => name);
  let chosen = 0;  // of the chips and numbers on offer

  // Every answer for changed medians, for the first `size` samples; a changed input takes its samples along. `chips` is
  // the place of the chosen chip and number, which brings facts of its plan and moves medians of its own.
  const compute = (typed, size = count, wanted = names, chips = chosen) => {
    const { facts, medians } = data.swaps[chips], changes = { ...medians, ...typed };
    const places = wanted.map((name) => names.indexOf(name));
    const given = data.inputs.map((name) => {
      if (name === "horizon_months") return changes[name] ?? data.horizon;
      if (name in facts) return facts[name];
      if (!(name in changes)) return rowsOf[name] ?? columns[name];
      const old = data.medians[name], value = changes[name], [least, most] = data.limits[name].map((limit, place) => limit ?? [-Infinity, Infinity][place]);
      const moved = old ? (drawn) => drawn * (value / old) : (drawn) => drawn + value;
      return Float64Array.from(columns[name], (drawn) => Math.min(Math.max(moved(drawn), least), most));
    });
    const x = given.slice(), y = new Float64Array(names.length), drawn = x.flatMap((value, k) => typeof value === "number" ? [] : [k]);
    const found = places.map(() => new Float64Array(size));
    for (let i = 0; i < size; i++) {
      for (const k of drawn) x[k] = given[k][i];
      model(x, tables, y);
      for (let k = 0; k < places.length; k++) found[k][i] = y[places[k]];
    }
    return Object.fromEntries(wanted.map((name, k) => [name, found[k]]));
  };
  const quantile = (sorted, share) => {
    const at = share * (sorted.length - 1), low = Math.floor(at), high = Math.min(low + 1, sorted.length - 1);
    return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
  };
  const interval = (values) => {
    const sorted = values.filter((value) => !Number.isNaN(value)).sort();
    if (!sorted.length) return [NaN, NaN, NaN, 1];
    return [quantile(sorted, 0.05), quantile(sorted, 0.5), quantile(sorted, 0.95), 1 - sorted.length / values.length];
  };
  const shareAbove = (values) => { const known = values.filter((value) => !Number.isNaN(value)); return known.filter((value) => value > 0).length / known.length; };

  // Numbers as gigareport.words writes them.
  const superscript = (text) => [...text].map((letter) => "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"["0123456789-".indexOf(letter)]).join("");
  const number = (value, digits = 2) => {
    if (!Number.isFinite(value)) return "not known";
    if (value === 0) return "0";
    if (Math.abs(value) >= 1e9 || Math.abs(value) < 1e-4) {
      const [mantissa, power] = value.toExponential(digits - 1).split("e");
      return `${mantissa} × 10${superscript(String(Number(power)))}`;
    }
    let rounded = Number(value.toPrecision(digits));
    const unit = 10 ** (Math.floor(Math.log10(Math.abs(rounded))) - digits + 1), other = rounded - Math.sign(value) * unit;
    if (Math.abs(rounded - value) === Math.abs(value - other) && Math.round(rounded / unit) % 2) rounded = other;  // a tie goes to the even digit
    const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(rounded))));
    return rounded.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  };
  const inWords = (size, digits) => {
    for (const [scale, word] of [[1e12, " trillion"], [1e9, " billion"], [1e6, " million"]]) {
      if (size >= scale * (1 - 0.5 * 10 ** -digits)) return number(size / scale, digits) + word;
    }
    return number(size, digits);
  };
  const usd = (value, digits = 2) => {
    if (!Number.isFinite(value)) return "not known";
    return `${value < 0 ? "-" : ""}$${inWords(Math.abs(value), digits)}`;
  };
  const share = (value) => !Number.isFinite(value) ? "not known" : value >= 0.995 && value < 1 ? "over 99 %" : value > 0 && value < 0.005 ? "under 1 %" : `${(100 * value).toFixed(0)} %`;
  const duration = (seconds, digits) => {
    for (const [size, unit] of [[86400, "days"], [3600, "hours"], [60, "minutes"], [1, "seconds"]]) {
      if (Math.abs(seconds) >= 2 * size || (size === 1 && Math.abs(seconds) >= 1)) return `${number(seconds / size, digits)} ${unit}`;
    }
    return `${number(1000 * seconds, digits)} milliseconds`;
  };
  const plurals = { chip: "chips", day: "days", month: "months", token: "tokens", parameter: "parameters", point: "points", 1: "" };
  const counted = ["parameter", "token"];
  const quantity = (value, unit, digits = 2) => {
    if (!Number.isFinite(value)) return "not known";
    const [currency, per] = [unit.split("/")[0], unit.split("/").slice(1).join("/")];
    if (currency.toUpperCase() === "USD") return usd(value, digits) + (per ? ` per ${per.replace(/[()]/g, "").replace("chip h", "chip-hour")}` : "");
    if (unit in { s: 1, min: 1, h: 1 }) return duration(value * { s: 1, min: 60, h: 3600 }[unit], digits);
    if (unit === "1" && Math.abs(value) <= 1) return `${number(100 * value, digits)} %`;
    if (counted.includes(unit) && value >= 1e6) return `${inWords(value, digits)} ${plurals[unit]}`;
    if (Math.abs(value) >= 100 && Math.abs(value) < 1000) digits = 3;
    return `${number(value, digits)} ${plurals[unit] ?? unit}`.trim();
  };
  const between = (low, high, unit, digits) => {
    const [a, b] = [quantity(low, unit, digits), quantity(high, unit, digits)];
    if (a === b) return "the same from 5 to 95 %";
    const [head, ...more] = a.split(" "), rest = more.join(" ");
    const isSame = rest && !rest.startsWith("×") && b.endsWith(` ${rest}`) && a[0] !== "-";
    if (!isSame && [...counted, "FLOP"].includes(unit) && rest.includes(" ")) return `${a.slice(0, a.lastIndexOf(" "))} to ${b}`;
    return `${isSame ? head : a} to ${b}`;
  };
  const told = ([low, median, high, without], unit) => {
    const digits = Math.abs(high - low) > 0.2 * Math.abs(median) ? 2 : 3;
    return [quantity(median, unit, digits), between(low, high, unit, digits) + (without ? `; none in ${share(without)} of the samples` : "")];
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
    const faults = [], asked = new URLSearchParams(location.hash.slice(1)), chips = asked.get("chips");
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

  const svg = (tag, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    return made;
  };
  const start = compute({}, count, names, 0);
  const histogram = (now) => {
    const box = page.querySelector(".histogram svg"), width = 600, height = 190, base = 160, bins = 40;
    const ends = interval(now.advantage_usd.map((value, i) => i % 2 ? value : start.advantage_usd[i]));
    const reach = [Math.min(ends[0], 0), Math.max(ends[2], 0)], pad = 0.15 * (reach[1] - reach[0] || 1);
    const low = reach[0] - pad, high = reach[1] + pad, at = (value) => width * (value - low) / (high - low);
    const counts = (values) => { const found = new Array(bins).fill(0); for (const value of values) { const place = Math.floor(bins * (value - low) / (high - low)); if (place >= 0 && place < bins) found[place] += 1; } return found; };
    const [mine, before] = [counts(now.advantage_usd), counts(start.advantage_usd)], most = Math.max(...mine, ...before, 1);
    box.replaceChildren();
    mine.forEach((size, place) => {
      const bar = svg("rect", { x: width * place / bins + 0.5, y: base - 150 * size / most, width: width / bins - 1, height: 150 * size / most, fill: low + (high - low) * (place + 0.5) / bins > 0 ? "var(--c0)" : "var(--c1)" });
      box.append(bar);
    });
    const outline = before.map((size, place) => `${width * place / bins},${base - 150 * size / most} ${width * (place + 1) / bins},${base - 150 * size / most}`).join(" ");
    box.append(svg("polyline", { points: outline, fill: "none", stroke: "currentColor", "stroke-width": 1.2, "stroke-dasharray": "3 2" }));
    box.append(svg("line", { x1: at(0), x2: at(0), y1: 0, y2: base, stroke: "currentColor" }));
    for (const value of [low + pad, 0, high - pad]) box.append(svg("text", { x: Math.min(Math.max(at(value), 30), width - 30), y: height - 8, "text-anchor": "middle", "font-size": 13, fill: "currentColor" }, value === 0 ? "equal" : usd(value)));
    page.querySelector(".histogram figcaption").textContent = `Owning is better, its own months counted, in ${share(shareAbove(now.advantage_usd))} of the samples (dashed: before any change)`;
    box.setAttribute("aria-label", `How the advantage of owning is spread: ${between(...[interval(now.advantage_usd)].map(([a, , b]) => [a, b]).flat(), "USD", 2)}.`);
  };
  const map = () => {
    const box = page.querySelector(".map svg");
    if (!(price in data.medians)) { page.querySelector(".map").hidden = true; return; }
    const [nx, ny, few, width, height] = [12, 10, 120, 600, 300], centre = middleOf(price);
    const terms = Array.from({ length: nx }, (_, i) => Math.round(12 + (data.limits.horizon_months[1] - 12) * i / (nx - 1)));
    const prices = Array.from({ length: ny }, (_, j) => centre * 2 ** (-1 + 2 * j / (ny - 1)));
    box.replaceChildren();
    const parts = { own: 0, rent: 0 };
    prices.forEach((dollars, j) => terms.forEach((term, i) => {
      const chance = shareAbove(compute({ ...state, [price]: dollars, horizon_months: term }, few, ["saving_usd"]).saving_usd);
      const choice = chance >= 0.9 ? "own" : chance <= 0.1 ? "rent" : "close";
      parts[choice] = (parts[choice] ?? 0) + 1;
      const cell = svg("rect", { x: 60 + i * (width - 60) / nx, y: (ny - 1 - j) * (height - 40) / ny, width: (width - 60) / nx + 0.5, height: (height - 40) / ny + 0.5, fill: { own: "var(--r-own)", rent: "var(--r-rent)", close: "var(--r0)" }[choice] });
      cell.append(svg("title", {}, `${term} months at ${usd(dollars, 3)} a chip-hour: owning is cheaper in ${share(chance)} of the samples`));
      box.append(cell);
    }));
    [0, ny - 1].forEach((j) => box.append(svg("text", { x: 54, y: (ny - 0.5 - j) * (height - 40) / ny + 4, "text-anchor": "end", "font-size": 13, fill: "currentColor" }, usd(prices[j], 3))));
    [0, nx - 1].forEach((i) => box.append(svg("text", { x: i ? width : 60, y: height - 22, "text-anchor": i ? "end" : "start", "font-size": 13, fill: "currentColor" }, `${terms[i]} months`)));
    box.append(svg("text", { x: width / 2 + 30, y: height - 5, "text-anchor": "middle", "font-size": 13, fill: "currentColor" }, "Horizon; upwards: price of a chip-hour under the contract"));
    box.setAttribute("aria-label", `Map of price and horizon: owning wins in ${share(parts.own / nx / ny)} of the plane, renting in ${share(parts.rent / nx / ny)}.`);
  };

  let waiting = 0, mapping = 0;
  const show = () => {
    waiting = 0;
    const isMoved = chosen > 0 || Object.keys(state).length > 0, now = compute(state);
    if (isMoved || page.dataset.moved) {
      page.dataset.moved = "yes";
      for (const row of page.querySelectorAll("tr[data-name]")) {
        const place = names.indexOf(row.dataset.name);
        if (place < 0) continue;
        const [median, ends] = told(interval(now[row.dataset.name]), data.outputs[place][2]);
        row.querySelector(".now").textContent = median;
        row.querySelector(".ends").textContent = ends;
      }
      page.querySelector(".verdict").textContent = `Owning is cheaper for the same useful work in ${share(shareAbove(now.saving_usd))} of the samples, and better in ${share(shareAbove(now.advantage_usd))} where each is counted with its own months.`;
      page.querySelector(".count").textContent = count.toLocaleString("en-US");
    }
    histogram(now);
    clearTimeout(mapping);
    mapping = setTimeout(map, 60);
  };
  const later = () => { writeAddress(); waiting ||= requestAnimationFrame(show); };
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
  addEventListener("hashchange", () => { fields.forEach((field) => complain(field, "")); readAddress(); fields.forEach(fill); show(); });
  readAddress();
  fields.forEach(fill);
  page.querySelectorAll(".live").forEach((part) => { part.hidden = false; });
  show();
  globalThis.gigaclusterWhatIf = (changes, chips = 0) => Object.fromEntries(Object.entries(compute(changes, count, names, chips)).map(([name, values]) => [name, [...interval(values), ...told(interval(values), data.outputs[names.indexOf(name)][2])]]));
})();
