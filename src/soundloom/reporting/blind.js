// The blind test: which of two passages is real? Answers stay in this browser, and can be saved.
const CLIP_RATE_HZ = 44100;
const FADE_SECONDS = 0.02;
const blind = document.getElementById("blind");
const samples = [...document.querySelectorAll("[data-pairs]")];
const pairs = samples.flatMap((sample, index) =>
  JSON.parse(sample.dataset.pairs).map((pair) => ({ sample: index + 1, ...pair })));
// Pages read from disk share one store. The pairs, with places and gains, are this page's alone.
const KEY = `soundloom blind test: ${JSON.stringify(pairs)}`;
const rounds = kept();  // each {answers: [{pair, chose}], over}; of what was chosen, "real" is right
let kinds;  // what A and B are
let pair;  // the number of theirs

const [start, stop, again] = ["start", "stop", "again"].map(part);
const sides = ["a", "b"].map((letter, side) => {
  const clip = blind.appendChild(document.createElement("audio"));
  const [listen, choose] = [part(`play-${letter}`), part(`choose-${letter}`)];
  listen.addEventListener("click", () => (clip.paused ? play(clip, 0) : clip.pause()));
  choose.addEventListener("click", () => answer(kinds[side]));
  for (const name of ["play", "pause", "emptied"]) {
    clip.addEventListener(name, () => listen.setAttribute("aria-pressed", name === "play"));
  }
  clip.addEventListener("play", () => {
    clip.dataset.heard = "yes";
    if (sides.every((one) => one.clip.dataset.heard)) {
      for (const one of sides) one.choose.disabled = false;
    }
  });
  return { clip, listen, choose };
});

start.addEventListener("click", ask);
stop.addEventListener("click", finish);
again.addEventListener("click", () => {
  rounds.push({ answers: [], over: false });
  ask();
});
if (rounds.at(-1).over) tell();
else if (rounds.at(-1).answers.length) start.textContent = "Go on";
blind.hidden = pairs.length === 0;
document.getElementById("to-blind").hidden = blind.hidden;

async function ask() {
  const { answers } = rounds.at(-1);
  const open = [...pairs.keys()].filter((number) => answers.every((one) => one.pair !== number));
  if (open.length === 0) {
    finish();
    return;
  }
  pair = open[Math.floor(Math.random() * open.length)];
  kinds = Math.random() < 0.5 ? ["real", "generated"] : ["generated", "real"];
  show("ask");
  part("progress").textContent = `Pair ${answers.length + 1} of ${pairs.length}`;
  for (const { clip, listen, choose } of sides) {
    clip.pause();
    delete clip.dataset.heard;
    listen.disabled = choose.disabled = true;
  }
  try {
    const clips = await Promise.all(kinds.map((kind) => cut(pairs[pair], kind)));
    sides.forEach(({ clip, listen }, side) => {
      URL.revokeObjectURL(clip.src);
      clip.src = clips[side];
      listen.disabled = false;
    });
    sides[0].listen.focus();
  } catch (error) {
    part("progress").textContent = `This browser cannot decode the passages: ${error.message}`;
  }
}

function answer(chose) {
  rounds.at(-1).answers.push({ pair, chose });
  keep();
  ask();
}

function finish() {
  for (const { clip } of sides) clip.pause();
  rounds.at(-1).over = rounds.at(-1).answers.length > 0;
  keep();
  if (rounds.at(-1).over) tell();
  else show("start");
}

function tell() {
  const { answers } = rounds.at(-1);
  part("verdict").textContent = verdict(countRight(answers), answers.length);
  part("earlier").textContent = rounds.length === 1 ? "" : `Earlier rounds: ${
    rounds.slice(0, -1).map((round) => `${countRight(round.answers)} of ${round.answers.length}`)
      .join(", ")} right. You had heard the passages before, so rounds do not add up.`;
  part("answers").replaceChildren(...answers.map(({ pair: number, chose }) => {
    const { sample, real, generated } = pairs[number];
    const line = document.createElement("li");
    line.textContent = `${chose === "real" ? "right" : "wrong"}: sample ${sample}, ${real.sound} at ${
      real.start_seconds.toFixed(1)} s, generated at ${generated.start_seconds.toFixed(1)} s`;
    return line;
  }));
  part("save").href = `data:application/json,${encodeURIComponent(JSON.stringify(record(), null, 2))}`;
  show("result");
}

// What is saved: every finished round with its count, and what was answered to which passages.
function record() {
  return {
    page: document.title,
    pairs: pairs.length,
    rounds: rounds.filter((round) => round.over).map(({ answers }) => ({
      answered: answers.length,
      right: countRight(answers),
      interval_95: interval(countRight(answers), answers.length),
      chance_by_guessing: chance(countRight(answers), answers.length),
      answers: answers.map(({ pair: number, chose }) => ({ ...pairs[number], chose })),
    })),
  };
}

function verdict(right, n) {
  const [low, high] = interval(right, n).map(percent);
  const guessed = chance(right, n);
  return `You were right in ${right} of ${n}: ${percent(right / n)} (95 % interval ${low} to ${high}). `
    + `Someone who only guesses does at least as well in ${percent(guessed)} of rounds. `
    + (guessed <= 0.05 ? "You could tell." : "So this does not show that you can tell.");
}

// The chance that guessing is right at least `right` times of `n`: the binomial's upper tail.
function chance(right, n) {
  let ways = 1;  // to be right `k` times
  let sum = 0;
  for (let k = 0; k <= n; k++) {
    if (k >= right) sum += ways;
    ways *= (n - k) / (k + 1);
  }
  return sum / 2 ** n;
}

// The 95 % interval of a share (Wilson 1927), which holds for few answers, too.
function interval(right, n) {
  const z2 = 1.959964 ** 2;
  const share = right / n;
  const middle = share + z2 / (2 * n);
  const half = Math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n)));
  return [middle - half, middle + half].map((end) => Math.min(Math.max(end / (1 + z2 / n), 0), 1));
}

function percent(share) {
  return share > 0 && share < 0.001 ? "under 0.1 %" : `${Number((100 * share).toPrecision(2))} %`;
}

function countRight(answers) {
  return answers.filter(({ chose }) => chose === "real").length;
}

// Cut a passage out of its player's sound: the address of a WAV, faded in and out.
async function cut({ sample, seconds, ...passages }, kind) {
  const { sound, start_seconds, gain } = passages[kind];
  const player = document.getElementById(`${samples[sample - 1].id}-${sound}`);
  const bytes = Uint8Array.from(atob(player.src.split(",")[1]), (byte) => byte.charCodeAt(0));
  const decoder = new OfflineAudioContext(1, 1, CLIP_RATE_HZ);
  const decoded = await decoder.decodeAudioData(bytes.buffer);
  const first = Math.round(start_seconds * CLIP_RATE_HZ);
  const clip = new Float32Array(Math.round(seconds * CLIP_RATE_HZ));
  for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
    const heard = decoded.getChannelData(channel).subarray(first, first + clip.length);
    heard.forEach((value, at) => (clip[at] += value / decoded.numberOfChannels));
  }
  const shaped = clip.map((value, at) => {
    const edge = Math.min(at, clip.length - 1 - at) / (FADE_SECONDS * CLIP_RATE_HZ);
    return value * gain * Math.min(edge, 1);
  });
  return URL.createObjectURL(new Blob([wav(shaped)], { type: "audio/wav" }));
}

// Mono samples in [-1, 1] as a WAV of 16 bits.
function wav(samples) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const words = { 0: "RIFF", 8: "WAVEfmt ", 36: "data" };
  for (const [at, word] of Object.entries(words)) {
    [...word].forEach((letter, index) => view.setUint8(Number(at) + index, letter.charCodeAt(0)));
  }
  view.setUint32(4, 36 + 2 * samples.length, true);
  view.setUint32(16, 16, true);  // bytes of the format, from here
  view.setUint16(20, 1, true);  // PCM
  view.setUint16(22, 1, true);  // mono
  view.setUint32(24, CLIP_RATE_HZ, true);
  view.setUint32(28, 2 * CLIP_RATE_HZ, true);  // bytes a second
  view.setUint16(32, 2, true);  // bytes a sample
  view.setUint16(34, 16, true);  // bits a sample
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, at) => {
    view.setInt16(44 + 2 * at, Math.round(32767 * Math.min(Math.max(value, -1), 1)), true);
  });
  return view;
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? [{ answers: [], over: false }];
  } catch {
    return [{ answers: [], over: false }];  // no store here: it lasts as long as the page is open
  }
}

function keep() {
  try {
    localStorage.setItem(KEY, JSON.stringify(rounds));
  } catch { /* as above */ }
}

function part(name) {
  return document.getElementById(`blind-${name}`);
}

function show(step) {
  for (const one of blind.querySelectorAll("[data-step]")) one.hidden = one.dataset.step !== step;
}
