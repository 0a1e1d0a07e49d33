// Small pictures of images, drawn from the files themselves: nothing is fetched, and no policy for images is in
// the way.

// Pictures are not larger, CSS pixels.
const SIDE = 40;
// One at a time, and never before what a person does.
let turn = Promise.resolve();

// Draws the file on the canvas, and shows that; what cannot be drawn leaves it hidden.
export function showThumbnail(canvas, file) {
  turn = turn.then(() => canvas.isConnected && draw(canvas, file)).catch(() => {});
}

async function draw(canvas, file) {
  const side = SIDE * devicePixelRatio;
  const picture = await createImageBitmap(file);
  const scale = Math.max(side / picture.width, side / picture.height);
  canvas.width = canvas.height = side;
  const [width, height] = [picture.width * scale, picture.height * scale];
  canvas.getContext("2d").drawImage(picture, (side - width) / 2, (side - height) / 2, width, height);
  picture.close();
  canvas.hidden = false;
}
