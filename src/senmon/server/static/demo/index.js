// Which packs are still being tuned, and how far they are. Looks again while something is.

const list = document.getElementById("tunings");

function row({ pack, phase, step, steps, eta_seconds: eta }) {
  const left = eta ? `, about ${eta < 90 ? `${Math.round(eta)} s` : `${Math.round(eta / 60)} min`} left` : "";
  const item = document.createElement("li");
  const words = document.createElement("label");
  words.textContent = `${pack} is still learning (${phase}${left}). It answers already; answers get better afterwards.`;
  const bar = document.createElement("progress");
  if (steps) bar.value = step / steps;
  words.append(bar);
  item.append(words);
  return item;
}

async function look() {
  let pause = 15_000;
  try {
    const { tunings } = await (await fetch("../v1/tunings")).json();
    const under = tunings.filter(({ finished }) => !finished);
    list.replaceChildren(...under.map(row));
    list.hidden = !under.length;
    if (under.length) pause = 2_000;
  } catch {
    // The next look may succeed.
  }
  setTimeout(look, pause);
}

look();
