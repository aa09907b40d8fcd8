// Files that are dropped on a part of the page.

const isFile = (event) => event.dataTransfer?.types.includes("Files");

/** take(file) hears of the first of those that are dropped on `area`, which shows that it would take them. */
export function acceptDrops(area, take) {
  area.addEventListener("dragover", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    area.classList.add("over-drop");
  });
  for (const name of ["dragleave", "drop"]) area.addEventListener(name, () => area.classList.remove("over-drop"));
  area.addEventListener("drop", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  });
}
