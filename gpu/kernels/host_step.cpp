// The step of chebyshev.cuh for a CPU: rows in parts whose vectors stay in cache, columns in groups that registers hold.
//
// What is computed of a column does not depend on the others beside it: a group of one is rounded as a group of eight.
// The text is put together by host_library.py: complex.cuh, chebyshev.cuh, host_lanes.h, and this.

constexpr long long ROWS = 128;

template <int norbs, class T, int C>
__device__ inline void step_group(const Step<T>& with, long long begin, long long end, int column, double* sums) {
    const Sums<Lanes<T, C>> found = step_columns<norbs, Lanes<T, C>>(with, begin, end, 1, column);
    if (with.dots != NO_DOTS) found.add_to(sums + 2 * column);
}

template <int norbs, class T>
void step_rows(const Step<T>& with, long long n_rows, double* sums) {
    for (long long begin = 0; begin < n_rows; begin += ROWS) {
        const long long end = begin + ROWS < n_rows ? begin + ROWS : n_rows;
        int column = 0;
        for (; column + 8 <= with.n_columns; column += 8) step_group<norbs, T, 8>(with, begin, end, column, sums);
        if (column + 4 <= with.n_columns) {
            step_group<norbs, T, 4>(with, begin, end, column, sums);
            column += 4;
        }
        if (column + 2 <= with.n_columns) {
            step_group<norbs, T, 2>(with, begin, end, column, sums);
            column += 2;
        }
        if (column < with.n_columns) step_group<norbs, T, 1>(with, begin, end, column, sums);
    }
}

// sums (columns, 2) are added to; arguments as those of the CUDA kernel.
template <class T>
void step(void* y, const void* x, const void* z, const long long* start, const int* neighbour, const void* value,
          const void* delta, const long long* pair_start, const int* pair_neighbour, const void* pair_value, double* sums,
          long long n_rows, int n_columns, int norbs, int has_delta, int has_pairing, double alpha, double beta,
          double gamma, double damp, int dots) {
    using Real = typename Parts<T>::Real;
    const Step<T> with = {static_cast<T*>(y),          static_cast<const T*>(x),
                          static_cast<const T*>(z),    start,
                          neighbour,                   static_cast<const T*>(value),
                          static_cast<const T*>(delta), pair_start,
                          pair_neighbour,              static_cast<const T*>(pair_value),
                          n_columns,                   has_delta,
                          has_pairing,                 Real(alpha),
                          Real(beta),                  Real(gamma),
                          Real(damp),                  dots};
    if (norbs == 1)
        step_rows<1, T>(with, n_rows, sums);
    else
        step_rows<2, T>(with, n_rows, sums);
}

#define BDG_STEP(NAME, TYPE)                                                                                           \
    extern "C" __attribute__((visibility("default"))) void nambu_step_##NAME(                                         \
        void* y, const void* x, const void* z, const long long* start,                                                 \
                                      const int* neighbour, const void* value, const void* delta,                      \
                                      const long long* pair_start, const int* pair_neighbour, const void* pair_value,  \
                                      double* sums, long long n_rows, int n_columns, int norbs, int has_delta,         \
                                      int has_pairing, double alpha, double beta, double gamma, double damp,           \
                                      int dots) {                                                                      \
        step<TYPE>(y, x, z, start, neighbour, value, delta, pair_start, pair_neighbour, pair_value, sums, n_rows,      \
                   n_columns, norbs, has_delta, has_pairing, alpha, beta, gamma, damp, dots);                          \
    }

BDG_STEP(float32, float)
BDG_STEP(float64, double)
BDG_STEP(complex64, Complex<float>)
BDG_STEP(complex128, Complex<double>)
