#version 330
// Voxel ray-march (Amanatides & Woo 1987, with skips over empty cubes) and shading.
// envs/blocks/renderers/torch_renderer.py is the twin of this file: change both.
// Positions are metres from the window's corner. Faces: +x -x +y -y +z -z, then 6 = eye inside.

uniform usampler3D cells;    // texel (z, y, x): bits 0-3 id, 4-7 clearance, 8-11 sky, 12-15 lamp
uniform ivec3 size;          // cells along x, y, z, up to the highest block
uniform ivec3 origin;        // world position of cell (0, 0, 0)
uniform vec3 face_colours[48];
uniform vec4 patterns[32];
uniform vec4 view[4];        // eye and water flag; right, up (per pixel); forward
uniform vec4 raster;         // width / 2, height / 2, first row of this view, rays a side
uniform vec3 light[15];      // see light_rows
uniform vec4 fog;            // range, start, end, view under water
uniform vec4 detail;         // texture near, texture far, tint far, tint amount
uniform vec2 darkness;       // occluded, inside

layout(location = 0) out vec4 colour;  // rgb and the block id / 255
layout(location = 1) out float depth;

const uint WATER = 5u;
const uint STONE = 3u;
const uint GRASS = 1u;
const int INSIDE = 6;
const float SKY_DEPTH = 1000.0;

struct Hit {
    float t;      // metres along the ray
    ivec3 cell;
    int face;     // -1: sky
    uint id;
};

bool outside(ivec3 cell) {
    return any(lessThan(cell, ivec3(0))) || any(greaterThanEqual(cell, size));
}

uint cell_at(ivec3 cell) {
    return texelFetch(cells, cell.zyx, 0).r;
}

Hit march(vec3 eye, vec3 ray, bool in_water) {
    Hit hit = Hit(0.0, ivec3(0), -1, 0u);
    vec3 safe = mix(ray, vec3(1e-9), lessThan(abs(ray), vec3(1e-9)));
    vec3 inverse = 1.0 / safe;
    bvec3 ahead = greaterThan(safe, vec3(0.0));
    ivec3 direction = ivec3(ahead) * 2 - 1;
    vec3 enter = (mix(vec3(size), vec3(0.0), ahead) - eye) * inverse;
    float t = max(max(enter.x, enter.y), max(enter.z, 0.0));
    int axis = t == enter.x ? 0 : t == enter.y ? 1 : 2;
    bool entered = t > 0.0;
    ivec3 cell = ivec3(floor(eye + ray * t));
    if (entered) {
        cell = clamp(cell, ivec3(0), size - 1);
        vec3 leave = (mix(vec3(0.0), vec3(size), ahead) - eye) * inverse;
        if (t > min(leave.x, min(leave.y, leave.z))) return hit;
    }
    for (int i = 0; i < 160; i++) {
        if (outside(cell)) {
            if (cell.y < 0 && t <= fog.x && ray.y < 0.0) hit = Hit(t, cell, 2, STONE);
            break;
        }
        uint value = cell_at(cell);
        uint id = value & 15u;
        if (id != 0u && !(in_water && id == WATER)) {
            int face = entered || i > 0 ? axis * 2 + (ahead[axis] ? 1 : 0) : INSIDE;
            hit = Hit(t, cell, face, id);
            break;
        }
        int room = max(int(value >> 4) & 15, 1);
        vec3 next = (vec3(cell + ivec3(ahead) * (2 * room - 1) + 1 - room) - eye) * inverse;
        t = min(next.x, min(next.y, next.z));
        if (t > fog.x) break;
        axis = t == next.x ? 0 : t == next.y ? 1 : 2;
        ivec3 arrived = clamp(ivec3(floor(eye + ray * t)), cell - (room - 1), cell + (room - 1));
        arrived[axis] = cell[axis] + direction[axis] * room;
        cell = arrived;
    }
    return hit;
}

vec3 sky(vec3 ray) {
    float height = max(ray.y, 0.0);
    float near_sun = max(dot(ray, light[0]), 0.0);
    float spread = near_sun * near_sun;
    spread *= spread;
    return mix(light[3], light[2], height * height * 1.07 / (height * height + 0.07)) + light[4] * (spread * spread);
}

float disc(vec3 ray) {
    return smoothstep(0.9930, 0.9975, dot(ray, light[0]));
}

float lattice(int u, int v, int salt) {
    uint h = uint(u) * 0x8da6b343u ^ uint(v) * 0xd8163841u ^ uint(salt) * 0xcb1ab31fu;
    h = (h ^ (h >> 15)) * 0x2c1b3c6du;
    h = (h ^ (h >> 13)) * 0x297a2d39u;
    return float(h >> 16) * (2.0 / 65535.0) - 1.0;
}

// The block's own colour at a point of its face, with its pattern.
vec3 albedo(Hit hit, int axis, vec2 uv, ivec2 block_uv, int layer, out float emit) {
    vec4 shape = patterns[int(hit.id) * 2];
    vec4 extra = patterns[int(hit.id) * 2 + 1];
    int side = hit.face == 2 ? 0 : hit.face == 3 ? 2 : 1;
    vec3 base = face_colours[int(hit.id) * 3 + side];
    float fade = 1.0 - smoothstep(detail.x, detail.y, hit.t);
    vec2 where = uv * shape.xy;
    where.x += extra.y * float(int(where.y) & 1);
    vec2 corner = floor(where);
    vec2 f = where - corner;
    ivec2 whole = block_uv * ivec2(shape.xy) + ivec2(corner);
    vec2 w = clamp((f - 0.5) / shape.z + 0.5, 0.0, 1.0);
    w = w * w * (3.0 - 2.0 * w);
    int salt = layer * 4 + axis;
    float low = mix(lattice(whole.x, whole.y, salt), lattice(whole.x + 1, whole.y, salt), w.x);
    float high = mix(lattice(whole.x, whole.y + 1, salt),
                     lattice(whole.x + 1, whole.y + 1, salt), w.x);
    float value = mix(low, high, w.y) * shape.w;
    vec2 to_seam = min(f, 1.0 - f) / shape.xy;
    float seam = 1.0 - smoothstep(0.02, 0.075, min(to_seam.x, to_seam.y));
    vec2 centred = abs(uv - 0.5);
    float glow = extra.z * (1.0 - smoothstep(0.05, 0.42, max(centred.x, centred.y)));
    float tint = lattice(block_uv.x, block_uv.y, layer * 4 + 3) * detail.w;
    tint *= 1.0 - smoothstep(detail.y, detail.z, hit.t);
    if (hit.id == GRASS && axis != 1) {
        float edge = 0.72 + 0.08 * low;
        float blur = 0.05 + hit.t * 0.012;
        base = mix(base, face_colours[3] * 0.94, smoothstep(edge - blur, edge + blur, uv.y));
    }
    emit = extra.w;
    return base * (1.0 + fade * (value - seam * extra.x) + tint) + glow;
}

// Sky and lamp light at a point of the open cell before the face, darker near filled cells.
vec2 light_near(ivec3 open, ivec3 u, ivec3 v, vec2 uv) {
    vec2 from_centre = uv - 0.5;
    ivec3 towards_u = u * (from_centre.x < 0.0 ? -1 : 1);
    ivec3 towards_v = v * (from_centre.y < 0.0 ? -1 : 1);
    vec2 w = abs(from_centre);
    ivec3 places[4] = ivec3[4](open, open + towards_u, open + towards_v,
                               open + towards_u + towards_v);
    vec2 lights[4];
    bool filled[4];
    for (int i = 0; i < 4; i++) {
        ivec3 at = clamp(places[i], ivec3(0), ivec3(size.x, 64, size.z) - 1);
        uint value = cell_at(at);
        uint id = value & 15u;
        filled[i] = id != 0u && id != WATER && i > 0;
        lights[i] = vec2((value >> 8) & 15u, value >> 12) * (1.0 / 15.0);
    }
    vec2 shaded = vec2(lights[0].x * darkness.x, lights[0].y * 0.6);
    vec2 side_u = filled[1] ? shaded : lights[1];
    vec2 side_v = filled[2] ? shaded : lights[2];
    vec2 diagonal = filled[3] || (filled[1] && filled[2]) ? shaded : lights[3];
    return mix(mix(lights[0], side_u, w.x), mix(side_v, diagonal, w.x), w.y);
}

vec3 shade(vec3 eye, vec3 ray, Hit hit, bool in_water) {
    vec3 behind = sky(ray);
    vec3 seen = mix(behind, light[1], disc(ray));
    if (hit.face == INSIDE) {
        seen = face_colours[int(hit.id) * 3 + 1] * darkness.y;
    } else if (hit.face >= 0) {
        int axis = hit.face >> 1;
        vec3 local = eye + ray * hit.t - vec3(hit.cell);
        vec2 uv = clamp(axis == 0 ? local.zy : axis == 1 ? local.xz : local.xy, 0.0, 0.9999);
        ivec3 block = hit.cell + origin;
        ivec2 block_uv = axis == 0 ? block.zy : axis == 1 ? block.xz : block.xy;
        ivec3 normal = ivec3(0);
        normal[axis] = 1 - 2 * (hit.face & 1);
        ivec3 along_u = axis == 0 ? ivec3(0, 0, 1) : ivec3(1, 0, 0);
        ivec3 along_v = axis == 1 ? ivec3(0, 0, 1) : ivec3(0, 1, 0);
        float emit;
        vec3 base = albedo(hit, axis, uv, block_uv, block[axis], emit);
        vec2 near = light_near(hit.cell + normal, along_u, along_v, uv);
        vec3 lit = max(light[5 + hit.face] * near.x, light[11] * (0.55 + 0.45 * near.x));
        lit += light[12] * near.y * (1.0 - 0.75 * near.x * dot(light[7], vec3(0.3333)));
        seen = base * mix(lit, vec3(1.0), emit);
        if (hit.id == WATER) {
            float grazing = 1.0 - abs(ray[axis]);
            grazing *= grazing;
            seen = mix(seen, behind, 0.10 + 0.45 * grazing * grazing);
        }
        seen = mix(seen, behind, smoothstep(fog.y, fog.z, hit.t));
    }
    if (in_water) {
        float far = hit.face < 0 ? fog.x : hit.t;
        seen = mix(seen * vec3(0.55, 0.80, 0.95), light[13], 1.0 - exp(-far / fog.w));
    }
    return clamp(seen, 0.0, 1.0);
}

vec3 ray_through(vec2 pixel) {
    vec2 offset = vec2(pixel.x - raster.x, raster.y - pixel.y);
    return view[3].xyz + view[1].xyz * offset.x + view[2].xyz * offset.y;
}

void main() {
    vec2 pixel = vec2(gl_FragCoord.x, gl_FragCoord.y - raster.z);
    vec3 eye = view[0].xyz;
    bool in_water = view[0].w > 0.5;
    vec3 slant = ray_through(pixel);
    float stretch = length(slant);
    vec3 ray = slant / stretch;
    Hit centre = march(eye, ray, in_water);
    vec3 sum = vec3(0.0);
    int rays = int(raster.w);
    if (rays == 1) {
        sum = shade(eye, ray, centre, in_water);
    } else {
        for (int i = 0; i < rays * rays; i++) {
            vec2 offset = vec2(i & 1, i >> 1) * 0.5 - 0.25;
            vec3 beside = normalize(ray_through(pixel + offset));
            sum += shade(eye, beside, march(eye, beside, in_water), in_water);
        }
        sum *= 0.25;
    }
    colour = vec4(sum, float(centre.id) / 255.0);
    depth = centre.face < 0 ? SKY_DEPTH : centre.t / stretch;
}
