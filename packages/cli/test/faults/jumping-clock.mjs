// Preloaded into a program: its wall clock jumps by up to an hour, to and fro, several times a second.
const real = Date.now
let offset = 0
setInterval(() => {
  offset = Math.round((Math.random() - 0.5) * 2 * 3_600_000)
}, 150).unref()
Date.now = () => real() + offset
