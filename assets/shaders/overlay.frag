#version 330

// The HUD over the picture; its rows start at the top, its colours are not premultiplied.

uniform sampler2D overlay;

in vec2 ndc;
out vec4 colour;

void main() {
    colour = texture(overlay, vec2(0.5 + 0.5 * ndc.x, 0.5 - 0.5 * ndc.y));
}
