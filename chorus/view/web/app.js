// One scene in one page: turned, coloured, clicked and asked without a server. Built by `make viewer-bundle`.
import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { PackedSplats, SparkRenderer, SplatMesh } from "@sparkjsdev/spark";

const OPAQUE = 0.5, REACH = 3.0; // alpha at which a click has met something; deviations that count
const PANEL = 302; // pixels at the right that the panel takes
const by = (id) => document.getElementById(id);
const head = JSON.parse(by("head").textContent);

async function inflated(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).arrayBuffer();
}

const TYPES = { f4: Float32Array, i1: Int8Array, u1: Uint8Array, i2: Int16Array };

function arraysOf(buffer) {
  const found = {};
  for (const { name, type, offset, length } of head.arrays) found[name] = new TYPES[type](buffer, offset, length);
  return found;
}

// Softmax share of each held thing for every Gaussian, times what the words may mean; or, without a list of things,
// the share of the words against the nearest of the phrases that fit anything (chorus.view.query.relevance).
function relevance(a, word) {
  const { count, dims, held, anything, temperature } = head;
  const score = new Float32Array(count), near = new Float32Array(Math.max(held, anything));
  const rivals = anything || held, names = a.rivals, bias = a.rivals_bias;
  for (let i = 0; i < count; i++) {
    let most = -Infinity;
    for (let c = 0; c < rivals; c++) {
      let dot = bias[c];
      for (let d = 0; d < dims; d++) dot += a.features[i * dims + d] * names[c * dims + d];
      near[c] = dot;
      if (dot > most) most = dot;
    }
    if (anything) {
      let dot = a.words_bias[word];
      for (let d = 0; d < dims; d++) dot += a.features[i * dims + d] * a.words[word * dims + d];
      score[i] = 1 / (1 + Math.exp((most - dot) / temperature));
    } else {
      let sum = 0, weighed = 0;
      for (let c = 0; c < held; c++) {
        const share = Math.exp((near[c] - most) / temperature);
        sum += share;
        weighed += share * a.meanings[word * held + c];
      }
      score[i] = weighed / sum;
    }
  }
  return score;
}

function heat(score, rgb, out) {
  let best = 0.25;
  for (const s of score) best = Math.max(best, s);
  const stops = [0, 0.3, 0.6, 1], ramp = [[0.35, 0.1, 0.6], [0.75, 0.15, 0.45], [0.98, 0.5, 0.1], [1, 0.9, 0.2]];
  for (let i = 0; i < score.length; i++) {
    const s = score[i] / best, mix = Math.min(1, s / 0.4);
    const gray = 0.25 + (0.5 * (0.299 * rgb[3 * i] + 0.587 * rgb[3 * i + 1] + 0.114 * rgb[3 * i + 2])) / 255;
    const k = s < stops[1] ? 0 : s < stops[2] ? 1 : 2, t = Math.min(1, (s - stops[k]) / (stops[k + 1] - stops[k]));
    for (let c = 0; c < 3; c++) out[3 * i + c] = gray * (1 - mix) + (ramp[k][c] * (1 - t) + ramp[k + 1][c] * t) * mix;
  }
}

class Page {
  constructor(arrays) {
    this.a = arrays;
    this.colors = Float32Array.from(arrays.rgb, (x) => x / 255);
    this.quats = Float32Array.from(arrays.quats, (x) => x / 127);
    this.scales = Float32Array.from(arrays.scales, (x, i) => Math.exp(head.scale[0] + (x / 255) * head.scale[1]));
    this.renderer = new THREE.WebGLRenderer({ antialias: false, preserveDrawingBuffer: true });
    document.body.prepend(this.renderer.domElement);
    this.scene = new THREE.Scene();
    this.scene.background = new THREE.Color(getComputedStyle(document.body).backgroundColor);
    this.camera = new THREE.PerspectiveCamera(55, 1, 0.02, 500);
    this.camera.up.set(0, 0, 1);
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.scene.add(new SparkRenderer({ renderer: this.renderer }));
    this.packed = new PackedSplats({ maxSplats: head.count, construct: (splats) => this.fill(splats) });
    this.mesh = new SplatMesh({ packedSplats: this.packed });
    this.scene.add(this.mesh);
    this.mark = new THREE.Mesh(new THREE.SphereGeometry(0.02), new THREE.MeshBasicMaterial({ color: 0xff5028 }));
    this.mark.visible = false;
    this.scene.add(this.mark);
    this.start();
  }

  start() {
    const [low, high] = [head.low, head.high].map((x) => new THREE.Vector3(...x));
    const size = Math.max(high.x - low.x, high.y - low.y), middle = low.clone().add(high).multiplyScalar(0.5);
    this.controls.target.copy(middle).add(new THREE.Vector3(0, 0, -0.2 * (high.z - low.z)));
    this.camera.position.copy(middle).add(new THREE.Vector3(0, -0.9 * size, 1.1 * size));
    const resized = () => {
      const beside = innerWidth > 2 * PANEL ? PANEL : 0; // what is looked at stands in the middle of what the panel leaves
      this.free = 1 - beside / innerWidth; // share of the width
      this.renderer.setSize(innerWidth, innerHeight);
      this.camera.aspect = (innerWidth + beside) / innerHeight;
      this.camera.setViewOffset(innerWidth + beside, innerHeight, beside, 0, innerWidth, innerHeight);
    };
    addEventListener("resize", resized);
    resized();
    this.panel();
    this.recolor();
    this.renderer.setAnimationLoop(() => {
      this.fly();
      this.controls.update();
      if (this.mode === "rgb | PCA" && this.moved()) this.recolor();
      this.renderer.render(this.scene, this.camera);
    });
  }

  panel() {
    for (const mode of ["rgb", "rgb | PCA", "PCA", "names", "instances", "heat"]) by("mode").add(new Option(mode));
    for (const word of head.words) by("known").append(new Option(word));
    by("mode").onchange = by("share").oninput = by("below").oninput = () => this.recolor();
    by("words").onchange = () => this.ask(by("words").value);
    for (const object of head.objects) {
      const button = document.createElement("button");
      button.textContent = `${object.name} · ${object.extent.map((x) => x.toFixed(2)).join(" x ")} ${head.unit}`;
      button.onclick = () => this.goTo(object.position, object.extent);
      by("objects").append(button);
    }
    let down;
    this.renderer.domElement.addEventListener("pointerdown", (event) => (down = [event.clientX, event.clientY]));
    this.renderer.domElement.addEventListener("pointerup", (event) => {
      if (down && Math.hypot(event.clientX - down[0], event.clientY - down[1]) < 4) this.click(event);
    });
  }

  get mode() {
    return by("mode").value;
  }

  ask(text) {
    const wanted = text.trim().toLowerCase().replace(/^(an?|the|some) /, "");
    if (!wanted) return;
    let word = head.words.indexOf(wanted);
    if (word < 0) word = head.words.findIndex((known) => known.split(" ").includes(wanted) || wanted.split(" ").includes(known));
    if (word < 0) {
      by("said").textContent = `"${wanted}" is not among the ${head.words.length} words of this page`;
      return;
    }
    const begun = performance.now();
    this.score = relevance(this.a, word);
    const best = this.score.reduce((a, b) => Math.max(a, b), 0), faint = best < head.faint;
    const seconds = ((performance.now() - begun) / 1000).toFixed(2);
    by("said").textContent = faint ? `${head.words[word]}: nothing answers` : `${head.words[word]}: best ${best.toFixed(2)}, ${seconds} s`;
    by("mode").value = "heat";
    this.recolor();
  }

  source(mode) {
    const { rgb, pca, names, instances } = this.a;
    return { rgb, PCA: pca, names, instances }[mode];
  }

  recolor() {
    const { count } = head, out = this.colors, mode = this.mode, split = mode === "rgb | PCA";
    by("slide").style.display = split ? "" : "none";
    by("split").style.display = split ? "block" : "none";
    if (mode === "heat" && this.score) heat(this.score, this.a.rgb, out);
    else if (split) this.splitColors(out);
    else {
      const from = this.source(mode) || this.a.rgb;
      for (let i = 0; i < 3 * count; i++) out[i] = from[i] / 255;
    }
    if (this.packed.isInitialized) this.fill(this.packed, true);
  }

  splitColors(out) {
    const share = by("share").value * this.free, place = new THREE.Vector3(), { means, rgb, pca } = this.a;
    by("split").style.left = `${share * innerWidth}px`;
    this.camera.updateMatrixWorld();
    for (let i = 0; i < head.count; i++) {
      place.fromArray(means, 3 * i).project(this.camera);
      const from = (place.x + 1) / 2 < share ? rgb : pca;
      for (let c = 0; c < 3; c++) out[3 * i + c] = from[3 * i + c] / 255;
    }
  }

  moved() {
    const now = this.camera.matrixWorld.elements.join();
    const changed = now !== this.seen;
    this.seen = now;
    return changed;
  }

  shown(i) {
    return this.a.means[3 * i + 2] <= head.low[2] + by("below").value * (head.high[2] - head.low[2]) || by("below").value >= 1;
  }

  fill(splats, again = false) {
    const center = new THREE.Vector3(), scales = new THREE.Vector3(), turn = new THREE.Quaternion(), color = new THREE.Color();
    const { means, opacities } = this.a, q = this.quats;
    for (let i = 0; i < head.count; i++) {
      center.fromArray(means, 3 * i);
      scales.fromArray(this.scales, 3 * i);
      turn.set(q[4 * i + 1], q[4 * i + 2], q[4 * i + 3], q[4 * i]).normalize();
      color.setRGB(this.colors[3 * i], this.colors[3 * i + 1], this.colors[3 * i + 2]);
      const opacity = this.shown(i) ? opacities[i] / 255 : 0;
      if (again) splats.setSplat(i, center, scales, turn, opacity, color);
      else splats.pushSplat(center, scales, turn, opacity, color);
    }
    splats.needsUpdate = true;
    this.mesh?.updateVersion();
  }

  click(event) {
    const ray = new THREE.Raycaster();
    ray.setFromCamera(new THREE.Vector2((2 * event.clientX) / innerWidth - 1, 1 - (2 * event.clientY) / innerHeight), this.camera);
    const hit = this.pick(ray.ray.origin, ray.ray.direction);
    this.mark.visible = Boolean(hit);
    if (!hit) return;
    this.mark.position.copy(hit.place);
    const name = head.names[this.a.label[hit.row]] || "?", group = this.a.instance[hit.row];
    const object = head.objects.find((one) => one.instance === group);
    by("said").textContent = object ? `${name} · ${object.extent.map((x) => x.toFixed(2)).join(" x ")} ${head.unit}` : name;
  }

  // The Gaussian at which alpha gathered along the ray passes one half (chorus.view.pick).
  pick(origin, direction) {
    const met = [], offset = new THREE.Vector3(), step = new THREE.Vector3(), turn = new THREE.Quaternion();
    for (let i = 0; i < head.count; i++) {
      if (!this.shown(i)) continue;
      offset.fromArray(this.a.means, 3 * i).sub(origin);
      const ahead = offset.dot(direction), [x, y, z] = this.scales.subarray(3 * i, 3 * i + 3);
      if (ahead < 0 || offset.lengthSq() - ahead * ahead > (REACH * Math.max(x, y, z)) ** 2) continue;
      const q = this.quats;
      turn.set(q[4 * i + 1], q[4 * i + 2], q[4 * i + 3], q[4 * i]).normalize().invert();
      offset.applyQuaternion(turn).set(offset.x / x, offset.y / y, offset.z / z);
      step.copy(direction).applyQuaternion(turn).set(step.x / x, step.y / y, step.z / z);
      const along = offset.dot(step) / step.lengthSq(), apart = offset.addScaledVector(step, -along).lengthSq();
      if (along > 0 && apart < REACH * REACH) met.push([along, Math.min(0.99, (this.a.opacities[i] / 255) * Math.exp(-0.5 * apart)), i]);
    }
    met.sort((a, b) => a[0] - b[0]);
    let clear = 1;
    for (const [along, alpha, row] of met) {
      clear *= 1 - alpha;
      if (1 - clear >= OPAQUE) return { row, place: direction.clone().multiplyScalar(along).add(origin) };
    }
    return null;
  }

  goTo(position, extent) {
    const place = new THREE.Vector3(...position), away = this.camera.position.clone().sub(place).normalize();
    this.flight = { place, eye: place.clone().addScaledVector(away, Math.max(1.6, 1.5 * Math.hypot(...extent))), left: 20 };
  }

  fly() {
    if (!this.flight) return;
    this.camera.position.lerp(this.flight.eye, 0.2);
    this.controls.target.lerp(this.flight.place, 0.2);
    if (--this.flight.left === 0) this.flight = null;
  }
}

inflated(by("data").textContent)
  .then((buffer) => (window.page = new Page(arraysOf(buffer))))
  .catch((error) => (by("said").textContent = `This page cannot be shown: ${error.message}`));
