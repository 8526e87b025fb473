#version 330

// The rotation warp of worldsim/play/warp.py, with a bicubic (Catmull-Rom) upscale.

uniform sampler2D frame;          // rows from the top of the picture
uniform mat3 frame_from_view;     // homography between pictures spanning -1 to 1, up positive

in vec2 ndc;
out vec4 colour;

const float FADE = 0.6;           // how dark it gets one picture's half-width outside the frame

vec4 weights(float t) {
    vec4 power = vec4(1.0, t, t * t, t * t * t);
    return 0.5 * vec4(dot(power, vec4(0.0, -1.0, 2.0, -1.0)), dot(power, vec4(2.0, 0.0, -5.0, 3.0)),
                      dot(power, vec4(0.0, 1.0, 4.0, -3.0)), dot(power, vec4(0.0, 0.0, -1.0, 1.0)));
}

vec3 bicubic(vec2 uv) {
    ivec2 size = textureSize(frame, 0);
    vec2 at = uv * vec2(size) - 0.5;
    ivec2 corner = ivec2(floor(at)) - 1;
    vec2 share = fract(at);
    vec4 across = weights(share.x), down = weights(share.y);
    vec3 sum = vec3(0.0);
    for (int j = 0; j < 4; ++j) {
        for (int i = 0; i < 4; ++i) {
            ivec2 texel = clamp(corner + ivec2(i, j), ivec2(0), size - 1);
            sum += across[i] * down[j] * texelFetch(frame, texel, 0).rgb;
        }
    }
    return clamp(sum, 0.0, 1.0);
}

void main() {
    vec3 seen = frame_from_view * vec3(ndc, 1.0);
    vec2 at = seen.xy / max(seen.z, 1e-4);
    vec2 inside = clamp(at, -1.0, 1.0);
    float fade = 1.0 - FADE * min(length(at - inside), 1.0);
    vec2 uv = vec2(0.5 + 0.5 * inside.x, 0.5 - 0.5 * inside.y);
    colour = vec4(bicubic(uv) * fade, 1.0);
}
