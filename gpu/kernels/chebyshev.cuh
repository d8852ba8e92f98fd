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

// sum += a * b
template <class R>
__device__ inline void add_product(R& sum, const R& a, const R& b) {
    sum += a * b;
}
template <class R>
__device__ inline void add_product(Complex<R>& sum, const Complex<R>& a, const Complex<R>& b) {
    sum.re += a.re * b.re - a.im * b.im;
    sum.im += a.re * b.im + a.im * b.re;
}

// sum += sign * conj(a) * b, sign = 1 or -1
template <class R>
__device__ inline void add_conjugate(R& sum, const R& sign, const R& a, const R& b) {
    sum += sign * a * b;
}
template <class R>
__device__ inline void add_conjugate(Complex<R>& sum, const R& sign, const Complex<R>& a, const Complex<R>& b) {
    sum.re += sign * (a.re * b.re + a.im * b.im);
    sum.im += sign * (a.re * b.im - a.im * b.re);
}

template <class R>
__device__ inline R scaled(const R& factor, const R& a) {
    return factor * a;
}
template <class R>
__device__ inline Complex<R> scaled(const R& factor, const Complex<R>& a) {
    return {factor * a.re, factor * a.im};
}

// Dot products of one element, always in double precision.
template <class R>
__device__ inline double squared(const R& a) {
    return (double)a * (double)a;
}
template <class R>
__device__ inline double squared(const Complex<R>& a) {
    return squared(a.re) + squared(a.im);
}
template <class R>
__device__ inline double real_dot(const R& a, const R& b) {
    return (double)a * (double)b;
}
template <class R>
__device__ inline double real_dot(const Complex<R>& a, const Complex<R>& b) {
    return real_dot(a.re, b.re) + real_dot(a.im, b.im);
}
template <class R>
__device__ inline double real_product(const R& a, const R& b) {  // Re a b, without conjugation
    return (double)a * (double)b;
}
template <class R>
__device__ inline double real_product(const Complex<R>& a, const Complex<R>& b) {
    return real_dot(a.re, b.re) - real_dot(a.im, b.im);
}
template <class R>
__device__ inline double imaginary_product(const R&, const R&) {
    return 0;
}
template <class R>
__device__ inline double imaginary_product(const Complex<R>& a, const Complex<R>& b) {
    return real_dot(a.re, b.im) + real_dot(a.im, b.re);
}

// Place of orbital `row` of h in a vector: its electron part (nambu 0) or its hole part (1).
template <int norbs>
__device__ inline long long place(long long row, int nambu) {
    return norbs == 1 ? 2 * row + nambu : 4 * (row / 2) + 2 * nambu + row % 2;
}

template <int norbs>
__device__ inline long long flipped(long long row) {
    return norbs == 1 ? row : row ^ 1;
}

enum Dots { NO_DOTS, NORMS, PARTNERS };

template <int norbs, class T, class Real>
__device__ inline void step_column(T* __restrict__ y, const T* __restrict__ x, const T* __restrict__ z,
                                   const long long* __restrict__ start, const int* __restrict__ neighbour,
                                   const T* __restrict__ value, const T* __restrict__ delta,
                                   const long long* __restrict__ pair_start, const int* __restrict__ pair_neighbour,
                                   const T* __restrict__ pair_value, double* __restrict__ sums, long long slot,
                                   long long n_slots, long long n_rows, int n_columns, int column, int has_delta, int has_pairing, Real alpha, Real beta,
                                   Real gamma, Real damp, int dots) {
    const Real one = 1;
    double first = 0, second = 0;
    for (long long row = slot; row < n_rows; row += n_slots) {
        const long long here[2] = {place<norbs>(row, 0) * n_columns + column,
                                   place<norbs>(flipped<norbs>(row), 1) * n_columns + column};
        T made[2] = {T{}, T{}};  // electron part of `row`, hole part of its partner
        for (long long k = start[row]; k < start[row + 1]; ++k) {
            const long long from = neighbour[k];
            const Real sign = norbs == 1 || ((row ^ from) & 1) == 0 ? one : -one;
            add_product(made[0], value[k], x[place<norbs>(from, 0) * n_columns + column]);
            add_conjugate(made[1], -sign, value[k], x[place<norbs>(flipped<norbs>(from), 1) * n_columns + column]);
        }
        if (has_delta) {
            const T gap = delta[row / norbs];
            add_product(made[0], gap, x[place<norbs>(row, 1) * n_columns + column]);
            add_conjugate(made[1], one, gap, x[place<norbs>(flipped<norbs>(row), 0) * n_columns + column]);
        }
        if (has_pairing)
            for (long long k = pair_start[row]; k < pair_start[row + 1]; ++k) {
                const long long from = pair_neighbour[k];
                const Real sign = norbs == 1 || ((row ^ from) & 1) == 0 ? one : -one;
                add_product(made[0], pair_value[k], x[place<norbs>(from, 1) * n_columns + column]);
                add_conjugate(made[1], sign, pair_value[k],
                              x[place<norbs>(flipped<norbs>(from), 0) * n_columns + column]);
            }
        for (int part = 0; part < 2; ++part) {
            T result = scaled(alpha, made[part]);
            if (beta != 0) result += scaled(beta, x[here[part]]);
            if (gamma != 0) result += scaled(gamma, z[here[part]]);
            if (damp != 0) result += scaled(-damp, y[here[part]]);
            y[here[part]] = result;
            made[part] = result;
            if (dots == NORMS) {
                first += squared(result);
                second += real_dot(result, x[here[part]]);
            }
        }
        if (dots == PARTNERS) {  // (u of y)(v of x) - (v of y)(u of x)
            first += real_product(made[0], x[here[1]]) - real_product(made[1], x[here[0]]);
            second += imaginary_product(made[0], x[here[1]]) - imaginary_product(made[1], x[here[0]]);
        }
    }
    if (dots != NO_DOTS) {
        sums[(slot * n_columns + column) * 2] = first;
        sums[(slot * n_columns + column) * 2 + 1] = second;
    }
}

// sums (slots, columns, 2): |y|^2 and Re <y|x> (dots = 1), or the product with the particle-hole partner of x (dots = 2,
// norbs = 1) of rows slot, slot + n_slots, ... z and y are read only if gamma and damp are not 0.
template <class T>
__global__ void nambu_step(T* __restrict__ y, const T* __restrict__ x, const T* __restrict__ z,
                           const long long* __restrict__ start, const int* __restrict__ neighbour,
                           const T* __restrict__ value, const T* __restrict__ delta,
                           const long long* __restrict__ pair_start, const int* __restrict__ pair_neighbour,
                           const T* __restrict__ pair_value, double* __restrict__ sums, long long n_slots,
                           long long n_rows, int n_columns, int norbs, int has_delta, int has_pairing, double alpha,
                           double beta, double gamma, double damp, int dots) {
    using Real = typename Parts<T>::Real;
    for (int column = blockIdx.y * blockDim.x + threadIdx.x; column < n_columns; column += gridDim.y * blockDim.x)
        for (long long slot = (long long)blockIdx.x * blockDim.y + threadIdx.y; slot < n_slots;
             slot += (long long)gridDim.x * blockDim.y)
            if (norbs == 1)
                step_column<1, T, Real>(y, x, z, start, neighbour, value, delta, pair_start, pair_neighbour, pair_value, sums,
                                        slot, n_slots, n_rows, n_columns, column, has_delta, has_pairing, alpha, beta,
                                        gamma, damp, dots);
            else
                step_column<2, T, Real>(y, x, z, start, neighbour, value, delta, pair_start, pair_neighbour, pair_value,
                                        sums, slot, n_slots, n_rows, n_columns, column, has_delta, has_pairing, alpha,
                                        beta, gamma, damp, dots);
}
