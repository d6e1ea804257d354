"use strict";
const $ = (id) => document.getElementById(id);
const form = $("form"), shelf = $("takes");
let chosen = null;  // The file to continue.
let asked = null;   // What stops the take that is being made.
let recorder = null;

// ---- The recording ------------------------------------------------------------------------------

function choose(file) {
  if (!file) return;
  chosen = file;
  say(null);
  URL.revokeObjectURL($("chosen-sound").src);
  $("chosen-sound").src = URL.createObjectURL(file);
  $("chosen-name").textContent = file.name;
  $("chosen").hidden = false;
  // What is named beside them is what was chosen last, and the same can be chosen once more.
  for (const field of [$("file"), $("held-out")]) if (field) field.value = "";
}

$("file").addEventListener("change", (event) => choose(event.target.files[0]));

for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
  // On all of the page: dropped beside its place, a file would be opened instead of the page.
  document.addEventListener(type, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", type === "dragenter" || type === "dragover");
  });
}
document.addEventListener("drop", (event) => choose(event.dataTransfer.files[0]));

$("held-out")?.addEventListener("change", async (event) => {
  const name = event.target.value;
  if (!name) return;
  const answer = await fetch(`/held-out/${encodeURIComponent(name)}`);
  if (event.target.value !== name) return;  // Something else was chosen in the meantime.
  if (answer.ok) choose(new File([await answer.blob()], name));
  else say(`${name} is gone; reload this page`);
});

$("record").addEventListener("click", async () => {
  if (recorder) return recorder.stop();
  try {
    // As it sounds: what makes speech clear spoils music.
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
    recorder = new MediaRecorder(stream, { audioBitsPerSecond: 256000 });
    const parts = [];
    recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
    recorder.addEventListener("stop", async () => {
      for (const track of stream.getTracks()) track.stop();
      recorder = null;
      showRecording(false);
      try {
        choose(await asWav(new Blob(parts)));
      } catch (error) {
        say(`nothing was recorded (${error.message})`);
      }
    });
    recorder.start();
    showRecording(true);
  } catch (error) {
    say(`this browser does not record here: ${error.message}`);
  }
});

function showRecording(on) {
  $("record").textContent = on ? "stop recording" : "record one";
  $("record").classList.toggle("recording", on);
}

// What browsers record is in formats of theirs; 16 bit WAV is read everywhere.
async function asWav(blob) {
  const context = new AudioContext();
  const sound = await context.decodeAudioData(await blob.arrayBuffer());
  context.close();
  const samples = sound.getChannelData(0);
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * samples.length, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, sound.sampleRate, true); view.setUint32(28, 2 * sound.sampleRate, true);
  view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, i) =>
    view.setInt16(44 + 2 * i, 32767 * Math.max(-1, Math.min(1, value)), true));
  return new File([view], "recording.wav");
}

// ---- A take is made -----------------------------------------------------------------------------

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  say(null);
  if (!chosen) return say("there is no recording to continue: drop one, or record one");
  const wanted = new FormData(form);
  wanted.set("prompt", chosen, chosen.name);
  asked = new AbortController();
  work({ step: "sending the recording" });
  try {
    const answer = await fetch("/takes", { method: "POST", body: wanted, signal: asked.signal });
    let ended = false;
    for await (const what of lines(answer.body)) {
      if (what.take) {
        show(what.take);
        form.elements.seed.value = what.take.seed + 1;
      } else if (what.error) say(what.error);
      else work(what);
      ended = Boolean(what.take || what.error);
    }
    if (!ended) say("it ended midway; see the terminal that `soundloom demo` runs in");
  } catch (error) {
    if (error.name !== "AbortError") say(gone(error));
  } finally {
    asked = null;
    work(null);
  }
});

$("stop").addEventListener("click", () => asked?.abort());

async function* lines(body) {
  let rest = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part; !(part = await reader.read()).done;) {
    const whole = (rest + part.value).split("\n");
    rest = whole.pop();
    for (const line of whole) yield JSON.parse(line);
  }
}

function work(what) {
  $("working").hidden = $("stop").hidden = what === null;
  $("make").disabled = what !== null;
  if (!what) return;
  $("step").textContent = what.of ? `${what.step}: ${what.done} of ${what.of} steps` : what.step;
  if (what.of) Object.assign($("progress"), { max: what.of, value: what.done });
  else $("progress").removeAttribute("value");  // It moves, and shows no share.
}

function say(text) {
  $("error").hidden = !text;
  $("error").textContent = text ?? "";
}

function gone(error) {
  return `soundloom does not answer (${error.message}): does \`soundloom demo\` still run?`;
}

// ---- Takes --------------------------------------------------------------------------------------

function show(take) {
  const card = $("take").content.cloneNode(true).firstElementChild;
  card.dataset.number = take.number;
  card.querySelector("h2").textContent = `Take ${take.number}: ${take.recording}`;
  card.querySelector(".settings").textContent =
    `${take.model} · ${take.seconds} s · temperature ${take.temperature} · seed ${take.seed}`;
  const notes = card.querySelector(".notes");
  notes.textContent = take.notes.join("; ");
  notes.hidden = take.notes.length === 0;
  for (const sound of take.sounds) card.append(shown(take, sound));
  card.querySelector(".remove").addEventListener("click", async () => {
    try {
      await fetch(`/takes/${take.number}`, { method: "DELETE" });
      card.remove();
    } catch (error) {
      say(gone(error));
    }
  });
  shelf.prepend(card);
}

function shown(take, sound) {
  const part = $("sound").content.cloneNode(true).firstElementChild;
  const address = `/takes/${take.number}/${sound}`;
  part.classList.add(sound);
  part.querySelector("h3").textContent = sound;
  const player = part.querySelector("audio");
  player.src = `${address}.wav`;
  player.setAttribute("aria-label", `${sound} of take ${take.number}`);
  Object.assign(part.querySelector("img"), {
    src: `${address}.png`, alt: `Spectrogram of the ${sound} of take ${take.number}`,
  });
  const name = take.recording.replace(/\.\w+$/, "");
  for (const ending of take.endings) {
    const link = document.createElement("a");
    link.href = address + ending;
    link.download = `${name}-seed${take.seed}-${sound}${ending}`;
    link.textContent = ending.slice(1);
    part.querySelector(".downloads").append(link);
  }
  return part;
}

// One player at a time; "play" does not bubble.
document.addEventListener("play", (event) => {
  for (const other of document.querySelectorAll("audio"))
    if (other !== event.target) other.pause();
}, true);

async function start() {
  for (const take of await (await fetch("/takes")).json()) show(take);
  const { runs, problem } = await (await fetch("/runs")).json();
  for (const [id, name] of Object.entries(runs)) $("run").append(new Option(name, id));
  $("runs-problem").textContent = `Models of runs cannot be chosen: ${problem}`;
  $("runs-problem").hidden = !problem;
}

start().catch((error) => say(gone(error)));
