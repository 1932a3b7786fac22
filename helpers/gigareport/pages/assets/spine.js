// Draws and quantiles around the function spine(x, t, y), which is written from the models themselves.
// An input is a number, or {low, median, high, lower, upper, uniform}: percentiles 5, 50, 95 and hard limits.
const Z95 = 1.6448536269514722;

function unpack(text) {
  return new Float32Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
}

// The value of an input at a draw z: standard normal, between 0 and 1 where it is uniform, the value itself where the
// input is null.
function valueAt(input, z) {
  if (input === null) return z;
  if (typeof input === "number") return input;
  const {low = NaN, median = NaN, high = NaN, lower = -Infinity, upper = Infinity} = input;
  if (input.uniform) return lower + z * (upper - lower);
  if (!(low < high)) return median;
  const s = z / Z95;
  const value = low > 0
    ? median * Math.exp(s * Math.log(s < 0 ? median / low : high / median))
    : median + s * (s < 0 ? median - low : high - median);
  return Math.min(Math.max(value, lower), upper);
}

// No start lies beyond the horizon.
function inTime(input, latest) {
  if (typeof input !== "object") return Math.min(input, latest);
  return Object.fromEntries(Object.entries({upper: latest, ...input}).map(([key, value]) =>
    [key, key === "lower" || key === "uniform" ? value : Math.min(value, latest)]));
}

// Every answer by name, with its samples; changes holds other inputs by name.
function recompute(spine, data, changes = {}) {
  data.unpacked ??= Object.fromEntries(Object.entries(data.draws).map(([name, text]) => [name, unpack(text)]));
  const given = {...data.inputs, ...changes}, names = Object.keys(data.inputs);
  for (const name of data.starts) given[name] = inTime(given[name], data.latest_start * given.horizon_months);
  const inputs = names.map(name => given[name]), draws = names.map(name => data.unpacked[name]);
  const answers = Object.fromEntries(data.answers.map(name => [name, new Float64Array(data.samples)]));
  const columns = Object.values(answers), x = new Array(inputs.length), y = new Float64Array(columns.length);
  for (let i = 0; i < data.samples; i++) {
    for (let k = 0; k < x.length; k++) x[k] = valueAt(inputs[k], draws[k] ? draws[k][i] : 0);
    spine(x, data.tables, y);
    for (let k = 0; k < y.length; k++) columns[k][i] = y[k];
  }
  return answers;
}

// Quantiles of the samples that have an answer, and the share of those that have none.
function summary(values, shares = [0.05, 0.5, 0.95]) {
  const sorted = values.filter(value => !Number.isNaN(value)).sort();
  const at = share => {
    const place = share * (sorted.length - 1), below = Math.floor(place);
    const next = sorted[Math.min(below + 1, sorted.length - 1)];
    return place === below ? sorted[below] : sorted[below] + (place - below) * (next - sorted[below]);
  };
  return {quantiles: sorted.length ? shares.map(at) : shares.map(() => NaN), without: 1 - sorted.length / values.length};
}
