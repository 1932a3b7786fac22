"use strict";
(() => {
  const root = document.documentElement;
  const remembered = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const remember = (name, value) => { try { localStorage.setItem(name, value); } catch { /* a page from a file may not */ } };

  for (const switches of document.querySelectorAll(".switches")) switches.hidden = false;

  const theme = document.getElementById("theme");
  const useTheme = (name) => { root.dataset.theme = name; theme.setAttribute("aria-pressed", String(name === "dark")); };
  useTheme(remembered("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  theme.addEventListener("click", () => {
    useTheme(root.dataset.theme === "dark" ? "light" : "dark");
    remember("theme", root.dataset.theme);
  });

  const code = document.getElementById("code");
  const showCode = (shown) => {
    root.dataset.code = shown ? "shown" : "folded";
    code.setAttribute("aria-pressed", String(shown));
    for (const block of document.querySelectorAll("details.code")) block.open = shown;
  };
  if (code) {
    showCode(remembered("code") === "shown");
    code.addEventListener("click", () => {
      showCode(root.dataset.code !== "shown");
      remember("code", root.dataset.code);
    });
  }

  // A number and its unit stay on one line, as gigareport.words.JOINED has it.
  globalThis.joined = (text) => text.replace(/([\d⁰¹²³⁴⁵⁶⁷⁸⁹×]) (?=(?:UNITS_OF_LINE)(?!\w)|10[⁰¹²³⁴⁵⁶⁷⁸⁹⁻])/g, "$1\u00a0");

  // A number as gigareport.words.number writes it.
  const superscript = (text) => [...text].map((letter) => "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"["0123456789-".indexOf(letter)]).join("");
  const written = [];
  globalThis.number = (value, digits = 2) => {
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
    return (written[decimals] ??= new Intl.NumberFormat("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals })).format(rounded);
  };

  const escapeText = (text) => { const box = document.createElement("i"); box.textContent = text; return box.innerHTML; };

  const shownDrawing = (figure) => [...figure.querySelectorAll(".drawing")].find((box) => box.offsetParent) || figure.querySelector(".drawing");

  // A picture to save stands alone: its title inside, the colours of paper.
  const standingAlone = (figure) => {
    const svg = shownDrawing(figure).querySelector("svg").cloneNode(true);
    svg.querySelectorAll(".finger").forEach((mark) => mark.remove());
    const text = new XMLSerializer().serializeToString(svg).replace(/var\([^,()]*,\s*([^()]*)\)/g, "$1").replaceAll("currentColor", "#1b1f24");
    return text.replace(">", "><title>" + escapeText(figure.querySelector(".title").textContent) + "</title>");
  };
  for (const link of document.querySelectorAll("a.picture")) {
    link.hidden = false;
    link.href = "#" + link.closest("figure").id;
    link.addEventListener("click", () => {
      link.href = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(standingAlone(link.closest("figure")));
    });
  }

  // Values under a finger: a pointer finds the nearest, arrow keys walk through them, Escape leaves.
  const useTips = (figure) => {
    const said = figure.querySelector(".tip");
    const texts = JSON.parse(figure.querySelector("script.tips")?.textContent || "[]");
    let place = -1;
    const hide = () => { said.hidden = true; place = -1; figure.querySelectorAll(".finger").forEach((mark) => mark.remove()); };
    const show = (box, index) => {
      const svg = box.querySelector("svg"), points = box.dataset.places.split(" "), tips = figure.tips || texts;
      place = index;
      const [x, y] = points[index].split(",").map(Number);
      let mark = svg.querySelector(".finger");
      if (!mark) {
        mark = document.createElementNS("http://www.w3.org/2000/svg", "circle");
        mark.setAttribute("class", "finger");
        mark.setAttribute("r", "6");
        svg.append(mark);
      }
      mark.setAttribute("cx", x);
      mark.setAttribute("cy", y);
      said.textContent = tips[index];
      said.hidden = false;
      const scale = svg.clientWidth / svg.viewBox.baseVal.width;
      const left = Math.min(Math.max(x * scale - said.offsetWidth / 2, 0), box.clientWidth - said.offsetWidth);
      said.style.left = box.offsetLeft + Math.max(left, 0) + "px";
      said.style.top = box.offsetTop + y * scale - said.offsetHeight - 12 + "px";
    };
    for (const box of figure.querySelectorAll(".drawing")) {
      if (!box.dataset.places && !figure.classList.contains("explore")) continue;
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", "Chart: arrow keys tell its values");
      const nearest = (event) => {
        const svg = box.querySelector("svg"), frame = svg.getBoundingClientRect();
        const scale = svg.viewBox.baseVal.width / frame.width;
        const [x, y] = [(event.clientX - frame.left) * scale, (event.clientY - frame.top) * scale];
        let best = -1, least = (40 * scale) ** 2;
        box.dataset.places.split(" ").forEach((point, index) => {
          const [a, b] = point.split(",").map(Number), far = (a - x) ** 2 + (b - y) ** 2;
          if (far < least) [best, least] = [index, far];
        });
        if (best >= 0) show(box, best); else hide();
      };
      box.addEventListener("pointermove", nearest);
      box.addEventListener("pointerdown", nearest);
      box.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
      box.addEventListener("blur", hide);
      box.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        const count = box.dataset.places ? box.dataset.places.split(" ").length : 0;
        if (event.key === "Escape") hide();
        if (!step || !count) return;
        event.preventDefault();
        show(box, (Math.max(place, step < 0 ? 0 : -1) + step + count) % count);
      });
    }
  };
  document.querySelectorAll("figure.figure").forEach(useTips);

  const cellsOf = (line) => [...line.matchAll(/("((?:[^"]|"")*)"|[^,]*)(,|$)/g)].slice(0, -1).concat(line.endsWith(",") ? [["", ""]] : [])
    .map((found) => found[2] === undefined ? found[1] : found[2].replaceAll('""', '"'));
  // A cell as the page has it without scripts: see csv_table.
  const tellCell = (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value)) return { True: "yes", False: "no" }[text] ?? text;
    return Number.isInteger(value) && Math.abs(value) < 1e9 ? (value || 0).toLocaleString("en-US") : number(value, 4);
  };
  const fillTable = (figure, csv) => {
    const table = figure.querySelector("details.data table");
    if (!table || !csv) return;
    const lines = csv.split("\n").filter((line) => line && !line.startsWith("# ")).slice(0, 61);
    const row = (line, tag, tell) => "<tr>" + cellsOf(line).map((cell) => `<${tag}>${escapeText(joined(tell(cell)))}</${tag.slice(0, 2)}>`).join("") + "</tr>";
    table.innerHTML = "<thead>" + row(lines[0], 'th scope="col"', (name) => name.replaceAll("_", " ")) + "</thead><tbody>" + lines.slice(1).map((line) => row(line, "td", tellCell)).join("") + "</tbody>";
  };

  const unpack = async (figure, selector) => {
    const packed = Uint8Array.from(atob(figure.querySelector(selector).textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };

  const stopOf = (input) => input.type === "checkbox" ? Number(input.checked) : Number(input.value);
  const countOf = (input) => {
    if (input.type === "checkbox") return 2;
    return input.type === "range" ? Number(input.max) + 1 : input.options.length;
  };
  const sayValue = (input) => {
    if (input.type !== "range") return;
    const text = JSON.parse(input.dataset.texts)[stopOf(input)];
    input.setAttribute("aria-valuetext", text);
    input.parentElement.querySelector("output").textContent = text;
  };

  for (const figure of document.querySelectorAll("figure.explore")) {
    unpack(figure, ".frames").then((frames) => {
      const inputs = [...figure.querySelectorAll(".control input, .control select")];
      const box = figure.querySelector(".drawing");
      const update = () => {
        const frame = frames[inputs.reduce((index, input) => index * countOf(input) + stopOf(input), 0)];
        inputs.forEach(sayValue);
        box.innerHTML = frame.svg.replace(/<title>.*?<\/title><desc>.*?<\/desc>/s, "").replace(/(\sid="|href="#|url\(#)/g, "$1" + box.dataset.prefix + "-");
        box.firstChild.setAttribute("role", "img");
        box.firstChild.setAttribute("aria-label", frame.alt);
        box.dataset.places = frame.places;
        figure.tips = frame.tips;
        figure.querySelector(".title").textContent = joined(frame.title);
        figure.querySelector(".chosen").textContent = joined(frame.chosen);
        const download = figure.querySelector("a.csv");
        if (download) download.href = "data:text/csv;charset=utf-8," + encodeURIComponent(frame.csv);
        fillTable(figure, frame.csv);
      };
      for (const input of inputs) input.addEventListener("input", update);
      figure.querySelector(".controls").hidden = false;
      update();
    });
  }

  // Search: titles, headings, figures, numbers and terms of the whole report.
  const search = document.getElementById("search");
  if (search) {
    const index = JSON.parse(document.getElementById("search-index").textContent);
    const found = document.getElementById("found");
    search.addEventListener("input", () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const hits = words.length ? index.filter(([text]) => words.every((word) => text.toLowerCase().includes(word))).slice(0, 12) : [];
      found.replaceChildren(...hits.map(([text, address, page]) => {
        const item = document.createElement("li"), link = document.createElement("a"), where = document.createElement("span");
        link.href = address;
        link.textContent = text;
        where.textContent = page;
        item.append(link, where);
        return item;
      }));
      if (words.length && !hits.length) found.textContent = "Nothing found";
      found.hidden = !words.length;
    });
    addEventListener("keydown", (event) => { if (event.key === "Escape") { search.value = ""; found.hidden = true; } });
  }

  // A click on the head of a column sorts its table, numbers as numbers; a stacked table, whose head is out of sight, has a menu.
  const SCALES = { trillion: 1e12, billion: 1e9, million: 1e6, months: 30.44 * 86400, days: 86400, hours: 3600, minutes: 60, milliseconds: 1e-3 };
  const POWERS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻";
  const keyOf = (text) => {
    const found = text.replace(/[$,]/g, "").replaceAll("\u00a0", " ").match(/^(?:(?:over|under|saves|(?:cheaper|better) by|(costs|(?:dearer|worse) by)) )?([-+−]?(?:\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?)(?: × 10([⁻⁰-⁹¹²³]+))?(?: ([a-z]+)( later)?)?/);
    if (!found) return null;
    const power = [...(found[3] ?? "0")].map((letter) => "0123456789-"[POWERS.indexOf(letter)] ?? letter).join("");
    return Number(found[2].replace("−", "-")) * 10 ** Number(power) * (SCALES[found[4]] ?? SCALES[`${found[4]}s`] ?? 1) * (found[1] || found[5] ? -1 : 1);
  };
  const sortBy = (head, isDown) => {
    const table = head.closest("table"), place = [...head.parentElement.children].indexOf(head);
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row) => { const text = row.cells[place]?.textContent.trim() ?? ""; return [row, keyOf(text), text]; });
    rows.sort(([, a, textA], [, b, textB]) => (a === null || b === null ? (a === null) - (b === null) || textA.localeCompare(textB) : a - b) * (isDown ? -1 : 1));
    table.tBodies[0].append(...rows.map(([row]) => row));
  };
  for (const table of document.querySelectorAll(".table table")) {
    if (!table.tHead || table.tBodies.length !== 1 || table.querySelector("[rowspan], [colspan]") || table.tBodies[0].rows.length < 3) continue;
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells].filter((head) => head.textContent.trim());
    const menu = document.createElement("select");
    menu.add(new Option("as listed"));
    menu.options[0].disabled = true;
    for (const head of heads) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => sortBy(head, head.getAttribute("aria-sort") === "ascending"));
      for (const way of ["rising", "falling"]) menu.add(new Option(`${button.textContent}, ${way}`));
    }
    if (!table.classList.contains("stacks")) continue;
    menu.addEventListener("change", () => sortBy(heads[Math.floor((menu.selectedIndex - 1) / 2)], menu.selectedIndex % 2 === 0));
    const label = document.createElement("label");
    label.className = "order";
    label.append("Sort by ", menu);
    table.before(label);
  }
})();
