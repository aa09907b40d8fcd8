// Choosing what the avatar looks like: the drawn character or the user's own pictures.

import { SpriteAvatar, sheetFromFiles, sheetFromJson } from "./sprites.js";

/** nodes: canvas, folder, json, chooseFolder, chooseJson, drawn, lookName. */
export function wireLook(nodes, stage, drawnAvatar, notices) {
  const use = (renderer, name) => {
    stage.setRenderer(renderer);
    nodes.drawn.hidden = renderer === drawnAvatar;
    nodes.lookName.textContent = name;
    stage.drawNow();
  };
  const take = async (input, load) => {
    if (input.files.length === 0) return;
    try {
      const sheet = await load(input.files);
      use(new SpriteAvatar(nodes.canvas, sheet), `your pictures (${sheet.images.size} visemes, ${sheet.set} names)`);
      notices.clear();
    } catch (error) {
      notices.fail(error);
    }
    input.value = ""; // so that the same folder can be chosen again after a change
  };
  nodes.folder.addEventListener("change", () => take(nodes.folder, sheetFromFiles));
  nodes.json.addEventListener("change", () => take(nodes.json, ([file]) => sheetFromJson(file)));
  nodes.chooseFolder.addEventListener("click", () => nodes.folder.click());
  nodes.chooseJson.addEventListener("click", () => nodes.json.click());
  nodes.drawn.addEventListener("click", () => { use(drawnAvatar, "the drawn character"); nodes.chooseFolder.focus(); });
}
