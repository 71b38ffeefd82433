// SPDX-License-Identifier: MIT
// Two pictures of one thing, one above the other with a divider between them; zoom and pan by wheel, pinch,
// drag and keyboard. Lengths are CSS pixels of the stage; `scale` is CSS pixels for each pixel of "after".

const MAX_SCREEN_PIXELS = 32; // for each pixel of "after", at the nearest
const STEP = 1.25;

export class Compare {
    constructor({ stage, before, after, beforeLayer, divider, level }) {
        Object.assign(this, { stage, before, after, beforeLayer, divider, level });
        this.pointers = new Map();
        this.split = 50;
        this.scale = 1;
        this.x = this.y = 0;
        this.fitted = true;
        new ResizeObserver(() => (this.fitted ? this.fit() : this.place())).observe(stage);
        stage.addEventListener("wheel", event => this.onWheel(event), { passive: false });
        stage.addEventListener("pointerdown", event => this.onDown(event));
        stage.addEventListener("pointermove", event => this.onMove(event));
        for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, event => this.onUp(event));
        stage.addEventListener("dblclick", event => this.onDoubleClick(event));
        stage.addEventListener("keydown", event => this.onKey(event));
        divider.addEventListener("keydown", event => this.onDividerKey(event));
    }

    get shown() {
        return this.stage.classList.contains("shown");
    }

    // Takes URLs; resolves when both pictures are there. The view stays where it was if `keepView`.
    async show(beforeUrl, afterUrl, keepView = false) {
        this.before.src = beforeUrl;
        this.after.src = afterUrl;
        await Promise.all([this.before.decode(), this.after.decode()]);
        this.stage.classList.add("shown");
        if (!keepView || this.fitted) this.fit();
        else this.place();
        this.moveDivider(keepView ? this.split : 50);
    }

    clear() {
        this.stage.classList.remove("shown");
        this.before.removeAttribute("src");
        this.after.removeAttribute("src");
    }

    get size() {
        return { width: this.after.naturalWidth || 1, height: this.after.naturalHeight || 1 };
    }

    get fitScale() {
        const { width, height } = this.size;
        const whole = Math.min(this.stage.clientWidth / width, this.stage.clientHeight / height);
        // A small picture is not blown up until it fills the screen: four screen pixels for each of its own at most.
        return Math.min(whole, 4 / devicePixelRatio);
    }

    fit() {
        this.scale = this.fitScale;
        this.x = this.y = 0;
        this.fitted = true;
        this.place();
    }

    exact() {
        this.zoomTo(1 / devicePixelRatio);
    }

    zoomBy(factor) {
        this.zoomTo(this.scale * factor);
    }

    // Keeps what is at (centreX, centreY) of the stage where it is.
    zoomTo(wanted, centreX = this.stage.clientWidth / 2, centreY = this.stage.clientHeight / 2) {
        const least = Math.min(this.fitScale, 1 / devicePixelRatio);
        const scale = Math.min(Math.max(wanted, least), MAX_SCREEN_PIXELS / devicePixelRatio);
        this.x = centreX - ((centreX - this.x) * scale) / this.scale;
        this.y = centreY - ((centreY - this.y) * scale) / this.scale;
        this.scale = scale;
        this.fitted = false;
        this.place();
    }

    pan(dx, dy) {
        this.x += dx;
        this.y += dy;
        this.fitted = false;
        this.place();
    }

    place() {
        const { width, height } = this.size;
        const inside = (offset, length, room) =>
            length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, offset));
        this.x = inside(this.x, width * this.scale, this.stage.clientWidth);
        this.y = inside(this.y, height * this.scale, this.stage.clientHeight);
        // On whole screen pixels, or "1:1" would be a picture sampled between its pixels.
        const snap = value => Math.round(value * devicePixelRatio) / devicePixelRatio;
        for (const image of [this.before, this.after]) {
            image.style.width = `${width}px`;
            image.style.height = `${height}px`;
            image.style.backgroundSize = `${24 / this.scale}px ${24 / this.scale}px`;
            image.style.transform = `translate(${snap(this.x)}px, ${snap(this.y)}px) scale(${this.scale})`;
        }
        // Made smaller, a picture of single pixels would flicker.
        this.after.classList.toggle("pixels", this.scale * devicePixelRatio >= 1);
        this.level.textContent = `${Math.round(this.scale * devicePixelRatio * 100)} %`;
    }

    set smooth(smooth) {
        this.before.classList.toggle("pixels", !smooth);
    }

    moveDivider(percent) {
        this.split = Math.min(100, Math.max(0, percent));
        this.divider.style.left = `${this.split}%`;
        this.divider.setAttribute("aria-valuenow", Math.round(this.split));
        this.divider.setAttribute("aria-valuetext", `${Math.round(this.split)} % before`);
        this.beforeLayer.style.clipPath = `inset(0 ${100 - this.split}% 0 0)`;
    }

    at(event) {
        const box = this.stage.getBoundingClientRect();
        return { x: event.clientX - box.left, y: event.clientY - box.top };
    }

    onWheel(event) {
        if (!this.shown) return;
        event.preventDefault();
        const { x, y } = this.at(event);
        const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * 33 : event.deltaY;
        // A trackpad's pinch comes as a wheel with Control and small steps.
        this.zoomTo(this.scale * Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.002)), x, y);
    }

    onDown(event) {
        if (!this.shown || event.button !== 0) return;
        this.stage.setPointerCapture(event.pointerId);
        const point = this.at(event);
        const onDivider = this.divider.contains(event.target);
        this.pointers.set(event.pointerId, { ...point, onDivider });
        this.stage.classList.toggle("moving", !onDivider);
    }

    onMove(event) {
        const last = this.pointers.get(event.pointerId);
        if (!last) return;
        const point = this.at(event);
        const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, other]) => other);
        this.pointers.set(event.pointerId, { ...point, onDivider: last.onDivider });
        if (others.length) {
            const [other] = others;
            const before = Math.hypot(last.x - other.x, last.y - other.y);
            const after = Math.hypot(point.x - other.x, point.y - other.y);
            if (before > 0) this.zoomTo((this.scale * after) / before, (point.x + other.x) / 2, (point.y + other.y) / 2);
            this.pan((point.x - last.x) / 2, (point.y - last.y) / 2);
        } else if (last.onDivider) {
            this.moveDivider((100 * point.x) / this.stage.clientWidth);
        } else {
            this.pan(point.x - last.x, point.y - last.y);
        }
    }

    onUp(event) {
        this.pointers.delete(event.pointerId);
        if (!this.pointers.size) this.stage.classList.remove("moving");
    }

    onDoubleClick(event) {
        if (!this.shown || this.divider.contains(event.target)) return;
        const { x, y } = this.at(event);
        const exact = 1 / devicePixelRatio;
        if (Math.abs(this.scale - exact) < exact / 100) this.fit();
        else this.zoomTo(exact, x, y);
    }

    onKey(event) {
        if (!this.shown || event.altKey || event.ctrlKey || event.metaKey) return;
        const stride = 60;
        const actions = {
            "+": () => this.zoomBy(STEP),
            "=": () => this.zoomBy(STEP),
            "-": () => this.zoomBy(1 / STEP),
            0: () => this.fit(),
            1: () => this.exact(),
            ArrowLeft: () => this.pan(stride, 0),
            ArrowRight: () => this.pan(-stride, 0),
            ArrowUp: () => this.pan(0, stride),
            ArrowDown: () => this.pan(0, -stride),
        };
        const action = actions[event.key];
        if (!action) return;
        event.preventDefault();
        action();
    }

    onDividerKey(event) {
        const step = event.shiftKey ? 10 : 2;
        const targets = {
            ArrowLeft: this.split - step,
            ArrowDown: this.split - step,
            ArrowRight: this.split + step,
            ArrowUp: this.split + step,
            PageDown: this.split - 10,
            PageUp: this.split + 10,
            Home: 0,
            End: 100,
        };
        if (!(event.key in targets)) return;
        event.preventDefault();
        event.stopPropagation(); // the stage would pan as well
        this.moveDivider(targets[event.key]);
    }
}
