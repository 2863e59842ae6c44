// Shows one save at a time: by the slider, or all of them one after the other.
const slider = document.getElementById("save");
const button = document.getElementById("play");
const steps = [...document.querySelectorAll(".save")];
let timer = 0;
const show = () => {
  const chosen = Number(slider.value);
  for (const [number, step] of steps.entries()) step.hidden = number + 1 !== chosen;
  slider.setAttribute("aria-valuetext", steps[chosen - 1].querySelector("h3").textContent);
};
const stop = () => {
  clearInterval(timer);
  timer = 0;
  button.textContent = "Play";
};
slider.addEventListener("input", () => { stop(); show(); });
button.addEventListener("click", () => {
  if (timer) return stop();
  if (slider.value === slider.max) slider.value = 1;
  show();
  button.textContent = "Stop";
  timer = setInterval(() => {
    if (slider.value === slider.max) return stop();
    slider.value = Number(slider.value) + 1;
    show();
  }, 1000);
});
document.getElementById("player").hidden = false;
show();
