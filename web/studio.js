// window.avatarStudio: what the page is showing, for tests and for pages that embed this one. Read-only but for seek().

const copyOf = (value) => (value === null || value === undefined ? value : structuredClone(value));

export function exposeStudio({ player, stage, captions, jobs, isBusy }) {
  const studio = {
    /** The moment on screen: times in milliseconds, the cue in force, the mouth and eyes as drawn. */
    get state() {
      const frame = stage.frame;
      return copyOf({
        busy: isBusy(),
        playing: player.playing,
        held: player.held,
        ended: player.ended,
        currentTime: frame.t,
        duration: player.durationMs,
        viseme: frame.viseme,
        weight: frame.weight,
        mouth: frame.pose,
        eyelid: frame.lid,
        gaze: frame.gaze,
        word: captions.currentWord,
      });
    },
    /** The mouth and the eyes in pixels of the avatar canvas: {x, y, width, height}. */
    get mouthBox() { return copyOf(stage.renderer.mouthBox); },
    get eyesBox() { return copyOf(stage.renderer.eyesBox); },
    /** The completed render as the server sent it, or null. */
    get render() { return copyOf(player.render); },
    /** The listed jobs as the server describes them, each with `seq` of its last event and `live`: its socket is open. */
    get jobs() { return copyOf(jobs.report); },
    /** Pauses and draws exactly this moment, without idle movement; returns the state. */
    seek(ms) {
      player.hold(ms);
      stage.drawNow();
      return studio.state;
    },
  };
  window.avatarStudio = Object.freeze(studio);
}
