#version 330

// The rotation warp of worldsim/play/warp.py and the depth parallax of worldsim/play/parallax.py,
// with a bicubic (Catmull-Rom) upscale, or in squares.

uniform sampler2D frame;          // rows from the top of the picture
uniform sampler2D depth;          // metres, rows alike
uniform mat3 frame_from_view;     // homography between pictures spanning -1 to 1, up positive
uniform bool squares;             // the nearest pixel, unfiltered
uniform vec3 shift;               // of the eye, in the same units; zero where nothing moves

in vec2 ndc;
out vec4 colour;

const float NEAREST_M = 0.1;
const float FADE = 0.6;           // how dark it gets one picture's half-width outside the frame

vec4 weights(float t) {
    vec4 power = vec4(1.0, t, t * t, t * t * t);
    return 0.5 * vec4(dot(power, vec4(0.0, -1.0, 2.0, -1.0)), dot(power, vec4(2.0, 0.0, -5.0, 3.0)),
                      dot(power, vec4(0.0, 1.0, 4.0, -3.0)), dot(power, vec4(0.0, 0.0, -1.0, 1.0)));
}

vec3 colour_at(vec2 uv) {
    ivec2 size = textureSize(frame, 0);
    if (squares) {
        return texelFetch(frame, clamp(ivec2(uv * vec2(size)), ivec2(0), size - 1), 0).rgb;
    }
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

float depth_at(vec2 at) {  // filtered, so that slopes do not move in steps
    vec2 margin = 0.5 / vec2(textureSize(depth, 0));
    vec2 uv = vec2(0.5 + 0.5 * at.x, 0.5 - 0.5 * at.y);
    return texture(depth, clamp(uv, margin, 1.0 - margin)).r;
}

void main() {
    vec3 seen = frame_from_view * vec3(ndc, 1.0);
    seen.z = max(seen.z, 1e-4);
    vec2 at = seen.xy / seen.z;
    if (shift != vec3(0.0)) {
        float nearness = seen.z / max(depth_at(at) - shift.z, NEAREST_M);
        vec3 moved = seen + nearness * shift;
        at = moved.xy / max(moved.z, 1e-4);
    }
    vec2 inside = clamp(at, -1.0, 1.0);
    float fade = 1.0 - FADE * min(length(at - inside), 1.0);
    vec2 uv = vec2(0.5 + 0.5 * inside.x, 0.5 - 0.5 * inside.y);
    colour = vec4(colour_at(uv) * fade, 1.0);
}
