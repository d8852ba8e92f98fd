// One text for both devices: on a GPU a thread takes one column, on a CPU the columns of a site lie in vector registers.
//
// One step of a polynomial recursion on H = [[h, D], [D^+, hole]] together with the dot products that follow it:
//
//     y <- alpha H x + beta x + gamma z - damp y
//
// Vectors are C-ordered (site, Nambu and spin, column), 2 norbs * n_columns numbers a site. Only h and D are stored;
// the hole block is -h* for norbs = 1 and -sigma_y h* sigma_y for norbs = 2, and D^+ is D* or sigma_y D* sigma_y: row r
// of h and D makes the electron part of orbital r and the hole part of its partner of opposite spin.
//
// Threads: x along the columns, so that neighbours touch neighbours in memory; y along the rows of h. Blocks: x rows,
// y columns. All strides are the grid's own, so that any launch covers everything. Every slot, the rows that
// one thread takes in turn, has its own place for dot products: nothing is atomic, and sums do not depend on the launch.

template <class T>
struct Parts {
    using Real = T;
};
template <class R>
struct Parts<Complex<R>> {
    using Real = R;
};

// A column of a vector, or on the CPU several neighbouring ones (host_lanes.h), as the body below takes it: `load` and
// `store`, products with an element of H, sums of dot products. Every sum takes one product at a time, so that it is
// rounded alike in one column and in many.
template <class T>
__device__ inline void load(T& columns, const T* from) {
    columns = *from;
}
template <class T>
__device__ inline void store(T* to, const T& columns) {
    *to = columns;
}

// sum += a * b
template <class R>
__device__ inline void add_product(R& sum, const R& a, const R& b) {
    sum += a * b;
}
template <class R>
__device__ inline void add_product(Complex<R>& sum, const Complex<R>& a, const Complex<R>& b) {
    sum.re += a.re * b.re;
    sum.re -= a.im * b.im;
    sum.im += a.re * b.im;
    sum.im += a.im * b.re;
}

// sum += sign * conj(a) * b, sign = 1 or -1
template <class R>
__device__ inline void add_conjugate(R& sum, const R& sign, const R& a, const R& b) {
    sum += (sign * a) * b;
}
template <class R>
__device__ inline void add_conjugate(Complex<R>& sum, const R& sign, const Complex<R>& a, const Complex<R>& b) {
    const R re = sign * a.re, im = sign * a.im;
    sum.re += re * b.re;
    sum.re += im * b.im;
    sum.im += re * b.im;
    sum.im -= im * b.re;
}

// sum += factor * a
template <class R>
__device__ inline void add_scaled(R& sum, const R& factor, const R& a) {
    sum += factor * a;
}
template <class R>
__device__ inline void add_scaled(Complex<R>& sum, const R& factor, const Complex<R>& a) {
    sum.re += factor * a.re;
    sum.im += factor * a.im;
}

// The two dot products of a step, always in double precision.
template <class T>
struct Sums {
    double first = 0, second = 0;

    // |y|^2
    template <class R>
    __device__ inline void add_square(const R& y) {
        first += (double)y * (double)y;
    }
    template <class R>
    __device__ inline void add_square(const Complex<R>& y) {
        add_square(y.re);
        add_square(y.im);
    }
    // Re <y|x>
    template <class R>
    __device__ inline void add_overlap(const R& y, const R& x) {
        second += (double)y * (double)x;
    }
    template <class R>
    __device__ inline void add_overlap(const Complex<R>& y, const Complex<R>& x) {
        add_overlap(y.re, x.re);
        add_overlap(y.im, x.im);
    }
    // sign * (a b) without conjugation: real and imaginary part
    template <class R>
    __device__ inline void add_partners(double sign, const R& a, const R& b) {
        first += (sign * (double)a) * (double)b;
    }
    template <class R>
    __device__ inline void add_partners(double sign, const Complex<R>& a, const Complex<R>& b) {
        first += (sign * (double)a.re) * (double)b.re;
        first -= (sign * (double)a.im) * (double)b.im;
        second += (sign * (double)a.re) * (double)b.im;
        second += (sign * (double)a.im) * (double)b.re;
    }
    __device__ inline void put(double* sums) const {
        sums[0] = first;
        sums[1] = second;
    }
};

// Place of orbital `row` of h in a vector: its electron part (nambu 0) or its hole part (1).
template <int norbs>
__device__ inline long long place(long long row, int nambu) {
    return norbs == 1 ? 2 * row + nambu : 4 * (row / 2) + 2 * nambu + row % 2;
}

template <int norbs>
__device__ inline long long flipped(long long row) {
    return norbs == 1 ? row : row ^ 1;
}

enum Dots { NO_DOTS, NORMS, PARTNERS, SQUARES };

// What a step is made with.
template <class T>
struct Step {
    using Real = typename Parts<T>::Real;
    T* __restrict__ y;
    const T* __restrict__ x;
    const T* __restrict__ z;
    const long long* __restrict__ start;
    const int* __restrict__ neighbour;
    const T* __restrict__ value;
    const T* __restrict__ delta;
    const long long* __restrict__ pair_start;
    const int* __restrict__ pair_neighbour;
    const T* __restrict__ pair_value;
    int n_columns, has_delta, has_pairing;
    Real alpha, beta, gamma, damp;
    int dots;
};

// y <- alpha made + beta x + gamma z - damp y at one place; returns what was written.
template <class V, class T>
__device__ inline V written(const Step<T>& with, const V& made, const V& own, long long at) {
    V result{}, other;
    if (with.damp != 0) {
        load(other, with.y + at);
        add_scaled(result, -with.damp, other);
    }
    if (with.gamma != 0) {
        load(other, with.z + at);
        add_scaled(result, with.gamma, other);
    }
    if (with.beta != 0) add_scaled(result, with.beta, own);
    add_scaled(result, with.alpha, made);
    store(with.y + at, result);
    return result;
}

// Rows begin, begin + stride, ... below end of the columns from `column` on, as many as V holds; the sums of these rows.
template <int norbs, class V, class T>
__device__ inline Sums<V> step_columns(const Step<T>& with, long long begin, long long end, long long stride,
                                       int column) {
    using Real = typename Parts<T>::Real;
    const Real one = 1;
    const long long width = with.n_columns;
    const T* __restrict__ x = with.x + column;
    const long long* __restrict__ start = with.start;
    const int* __restrict__ neighbour = with.neighbour;
    const T* __restrict__ value = with.value;
    Sums<V> sums;
    for (long long row = begin; row < end; row += stride) {
        V electron{}, hole{}, from_u, from_v;  // electron part of `row`, hole part of its partner
        for (long long k = start[row]; k < start[row + 1]; ++k) {
            const long long from = neighbour[k];
            const Real sign = norbs == 1 || ((row ^ from) & 1) == 0 ? one : -one;
            load(from_u, x + place<norbs>(from, 0) * width);
            load(from_v, x + place<norbs>(flipped<norbs>(from), 1) * width);
            add_product(electron, value[k], from_u);
            add_conjugate(hole, -sign, value[k], from_v);
        }
        if (with.has_delta) {
            const T gap = with.delta[row / norbs];
            load(from_u, x + place<norbs>(flipped<norbs>(row), 0) * width);
            load(from_v, x + place<norbs>(row, 1) * width);
            add_product(electron, gap, from_v);
            add_conjugate(hole, one, gap, from_u);
        }
        if (with.has_pairing)
            for (long long k = with.pair_start[row]; k < with.pair_start[row + 1]; ++k) {
                const long long from = with.pair_neighbour[k];
                const Real sign = norbs == 1 || ((row ^ from) & 1) == 0 ? one : -one;
                load(from_u, x + place<norbs>(flipped<norbs>(from), 0) * width);
                load(from_v, x + place<norbs>(from, 1) * width);
                add_product(electron, with.pair_value[k], from_v);
                add_conjugate(hole, sign, with.pair_value[k], from_u);
            }
        const long long here = place<norbs>(row, 0) * width, there = place<norbs>(flipped<norbs>(row), 1) * width;
        load(from_u, x + here);
        load(from_v, x + there);
        electron = written(with, electron, from_u, column + here);
        hole = written(with, hole, from_v, column + there);
        if (with.dots == NORMS || with.dots == SQUARES) {
            sums.add_square(electron);
            sums.add_square(hole);
        }
        if (with.dots == NORMS) {
            sums.add_overlap(electron, from_u);
            sums.add_overlap(hole, from_v);
        }
        if (with.dots == PARTNERS) {  // (u of y)(v of x) - (v of y)(u of x)
            sums.add_partners(1.0, electron, from_v);
            sums.add_partners(-1.0, hole, from_u);
        }
    }
    return sums;
}

#ifndef BDG_HOST
// sums (slots, columns, 2): |y|^2 and Re <y|x> (dots = 1), |y|^2 (3), or the product with the particle-hole partner of x
// (2, norbs = 1) of rows slot, slot + n_slots, ... z and y are read only if gamma and damp are not 0.
template <class T>
__global__ void nambu_step(T* __restrict__ y, const T* __restrict__ x, const T* __restrict__ z,
                           const long long* __restrict__ start, const int* __restrict__ neighbour,
                           const T* __restrict__ value, const T* __restrict__ delta,
                           const long long* __restrict__ pair_start, const int* __restrict__ pair_neighbour,
                           const T* __restrict__ pair_value, double* __restrict__ sums, long long n_slots,
                           long long n_rows, int n_columns, int norbs, int has_delta, int has_pairing, double alpha,
                           double beta, double gamma, double damp, int dots) {
    using Real = typename Parts<T>::Real;
    const Step<T> with = {y, x, z, start, neighbour, value, delta, pair_start, pair_neighbour, pair_value, n_columns, has_delta,
                          has_pairing, (Real)alpha, (Real)beta, (Real)gamma, (Real)damp, dots};
    for (int column = blockIdx.y * blockDim.x + threadIdx.x; column < n_columns; column += gridDim.y * blockDim.x)
        for (long long slot = (long long)blockIdx.x * blockDim.y + threadIdx.y; slot < n_slots;
             slot += (long long)gridDim.x * blockDim.y) {
            const Sums<T> found = norbs == 1 ? step_columns<1, T>(with, slot, n_rows, n_slots, column)
                                             : step_columns<2, T>(with, slot, n_rows, n_slots, column);
            if (dots != NO_DOTS) found.put(sums + (slot * n_columns + column) * 2);
        }
}
#endif
