// Draws the points of the map: by WebGL, which handles a hundred thousand easily, or else on a 2D canvas.

const VERTEX = `#version 300 es
in vec2 place;
in vec4 colour;
uniform vec2 middle;
uniform vec2 zoom;
uniform float size;
out vec4 shade;
void main() {
  gl_Position = vec4((place - middle) * zoom, 0.0, 1.0);
  gl_PointSize = size;
  shade = colour;
}`;

// Round, with an antialiased edge of one pixel.
const FRAGMENT = `#version 300 es
precision highp float;
in vec4 shade;
uniform float size;
out vec4 drawn;
void main() {
  float far = length(gl_PointCoord - 0.5) * size;
  float there = shade.a * clamp(size * 0.5 - far + 0.5, 0.0, 1.0);
  if (there < 0.01) discard;
  drawn = vec4(shade.rgb * there, there);
}`;

// Returns a drawer of `points` on a canvas: setColours(rgba, order), with 4 bytes a point; draw(view, size, share), where
// a share below 1 skips the first points. Ids are random, so the rest is a fair sample.
export function drawerOf(canvas, points, onRestored) {
  return hasWebGl() ? byWebGl(canvas, points, onRestored) : byCanvas(canvas, points);
}

// Tested on a separate canvas: one with a context of one kind gives no other. A software renderer is slower than a 2D
// canvas.
function hasWebGl() {
  const gl = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  const program = gl && programOf(gl);
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(program);
}

function byWebGl(canvas, points, onRestored) {
  const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true });
  let made = null;
  let coloured = null;

  const prepare = () => {
    const program = programOf(gl);
    const places = new Float32Array(2 * points.count);
    for (let one = 0; one < points.count; one += 1) {
      places[2 * one] = points.x[one];
      places[2 * one + 1] = points.y[one];
    }
    gl.useProgram(program);
    attribute(gl, program, "place", 2, gl.FLOAT, false);
    gl.bufferData(gl.ARRAY_BUFFER, places, gl.STATIC_DRAW);
    const colours = attribute(gl, program, "colour", 4, gl.UNSIGNED_BYTE, true);
    const order = gl.createBuffer();
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, order);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const uniforms = Object.fromEntries(
      ["middle", "zoom", "size"].map((name) => [name, gl.getUniformLocation(program, name)]),
    );
    return { colours, uniforms };
  };

  const setColours = (rgba, order) => {
    coloured = [rgba, order];
    gl.bindBuffer(gl.ARRAY_BUFFER, made.colours);
    gl.bufferData(gl.ARRAY_BUFFER, rgba, gl.STATIC_DRAW);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, order, gl.STATIC_DRAW);
  };

  made = prepare();
  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => {
    made = prepare();
    if (!coloured) return;
    setColours(...coloured);
    onRestored();
  });

  return {
    setColours,
    draw(view, size, share) {
      const count = Math.ceil(share * points.count);
      if (gl.isContextLost()) return;
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(made.uniforms.middle, view.x, view.y);
      gl.uniform2f(made.uniforms.zoom, (2 * view.scale) / view.width, (2 * view.scale) / view.height);
      gl.uniform1f(made.uniforms.size, size * view.ratio);
      gl.drawElements(gl.POINTS, count, gl.UNSIGNED_INT, 4 * (points.count - count));
    },
  };
}

function programOf(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null;
}

function attribute(gl, program, name, parts, kind, isNormalised) {
  const buffer = gl.createBuffer();
  const place = gl.getAttribLocation(program, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, parts, kind, isNormalised, 0, 0);
  return buffer;
}

function byCanvas(canvas, points) {
  const context = canvas.getContext("2d");
  let [rgba, order] = [null, null];
  return {
    setColours: (...given) => {
      [rgba, order] = given;
    },
    draw(view, size, share) {
      const { ratio } = view;
      const side = Math.max(1, size * ratio);
      context.clearRect(0, 0, canvas.width, canvas.height);
      let last = -1;
      for (const one of order.subarray(Math.floor((1 - share) * order.length))) {
        const left = ((points.x[one] - view.x) * view.scale + view.width / 2) * ratio;
        const top = ((view.y - points.y[one]) * view.scale + view.height / 2) * ratio;
        if (left < -side || top < -side || left > canvas.width + side || top > canvas.height + side) continue;
        const [red, green, blue, alpha] = rgba.subarray(4 * one, 4 * one + 4);
        const colour = (red << 16) | (green << 8) | blue;
        if (colour !== last) context.fillStyle = `rgb(${red} ${green} ${blue} / ${alpha / 255})`;
        last = colour;
        context.fillRect(left - side / 2, top - side / 2, side, side);
      }
    },
  };
}
