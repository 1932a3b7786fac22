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

  const address = (svg) => "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg);

  for (const link of document.querySelectorAll("a.picture")) {
    link.hidden = false;
    link.href = link.closest("figure").querySelector("img").src;
  }

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
      const image = figure.querySelector("img.frame");
      const update = () => {
        const frame = frames[inputs.reduce((index, input) => index * countOf(input) + stopOf(input), 0)];
        inputs.forEach(sayValue);
        image.src = address(frame.svg);
        image.alt = frame.alt;
        figure.querySelector(".title").textContent = frame.title;
        figure.querySelector(".chosen").textContent = frame.chosen;
        figure.querySelector("a.picture").href = image.src;
      };
      for (const input of inputs) input.addEventListener("input", update);
      figure.querySelector(".controls").hidden = false;
      update();
    });
  }

  for (const cockpit of document.querySelectorAll(".cockpit")) {
    const answers = JSON.parse(cockpit.querySelector(".answers").textContent);
    const inputs = [...cockpit.querySelectorAll("input")];
    const show = (answer, chosen) => {
      const verdict = document.createElement("strong");
      verdict.textContent = answer.verdict;
      cockpit.querySelector(".chosen").replaceChildren(chosen + ". ", verdict);
      cockpit.querySelectorAll("dl > div").forEach((box, place) => {
        box.querySelector("dt").textContent = answer.numbers[place].label;
        box.querySelector("strong").textContent = answer.numbers[place].median;
        box.querySelector("span").textContent = answer.numbers[place].interval;
      });
    };
    const reset = (except) => {
      for (const input of inputs) if (input !== except) input.value = input.defaultValue;
      inputs.forEach(sayValue);
    };
    inputs.forEach((input, place) => input.addEventListener("input", () => {
      reset(input);
      const label = input.labels[0].textContent;
      show(answers[place][stopOf(input)], label + ": " + input.getAttribute("aria-valuetext"));
    }));
    cockpit.querySelector("button").addEventListener("click", () => {
      reset(null);
      show(answers[0][stopOf(inputs[0])], "All inputs as in the scenario");
    });
    cockpit.querySelector(".controls").hidden = false;
  }
})();
