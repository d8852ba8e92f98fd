// The step of chebyshev.cuh for a CPU: rows in parts whose vectors stay in cache, columns in groups that registers hold.
//
// What is computed of a column does not depend on the others beside it: a group of one is rounded as a group of eight.
// The text is put together by compiling.py: complex.cuh, chebyshev.cuh, host_lanes.h, and this.

#include <algorithm>
#include <vector>

constexpr long long ROWS = 128;  // whose vectors stay in the nearest cache
constexpr long long PARTS = 4;   // of so many rows that a thread takes at a time

template <int norbs, class T, int C>
__device__ inline void step_group(const Step<T>& with, long long begin, long long end, int column, double* sums) {
    const Sums<Lanes<T, C>> found = step_columns<norbs, Lanes<T, C>>(with, begin, end, 1, column);
    if (with.dots != NO_DOTS) found.add_to(sums + 2 * column);
}

// One part of the rows; sums (columns, 2) are added to.
template <int norbs, class T>
void step_part(const Step<T>& with, long long begin, long long end, double* sums) {
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

// All rows; the sums of blocks of parts are put together in their order, whichever thread made them.
template <int norbs, class T>
void step_rows(const Step<T>& with, long long n_rows, double* sums, int threads) {
    const long long block = ROWS * PARTS, n_blocks = (n_rows + block - 1) / block;
    const int size = with.dots == NO_DOTS ? 0 : 2 * with.n_columns;
    std::vector<double> found(n_blocks * size);
    crew().run(n_blocks, threads, [&](long long number) {
        const long long first = number * block, last = std::min(first + block, n_rows);
        for (long long begin = first; begin < last; begin += ROWS)
            step_part<norbs, T>(with, begin, std::min(begin + ROWS, last), found.data() + number * size);
    }, true);
    for (long long number = 0; number < n_blocks; ++number)
        for (int k = 0; k < size; ++k) sums[k] += found[number * size + k];
}

// sums (columns, 2) are added to; arguments as those of the CUDA kernel.
template <class T>
void step(void* y, const void* x, const void* z, const long long* start, const int* neighbour, const void* value,
          const void* delta, const long long* pair_start, const int* pair_neighbour, const void* pair_value, double* sums,
          long long n_rows, int n_columns, int norbs, int has_delta, int has_pairing, double alpha, double beta,
          double gamma, double damp, int dots, int threads) {
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
        step_rows<1, T>(with, n_rows, sums, threads);
    else
        step_rows<2, T>(with, n_rows, sums, threads);
}

#define BDG_STEP(NAME, TYPE)                                                                                           \
    extern "C" __attribute__((visibility("default"))) void nambu_step_##NAME(                                         \
        void* y, const void* x, const void* z, const long long* start,                                                 \
                                      const int* neighbour, const void* value, const void* delta,                      \
                                      const long long* pair_start, const int* pair_neighbour, const void* pair_value,  \
                                      double* sums, long long n_rows, int n_columns, int norbs, int has_delta,         \
                                      int has_pairing, double alpha, double beta, double gamma, double damp,           \
                                      int dots, int threads) {                                                                      \
        step<TYPE>(y, x, z, start, neighbour, value, delta, pair_start, pair_neighbour, pair_value, sums, n_rows,      \
                   n_columns, norbs, has_delta, has_pairing, alpha, beta, gamma, damp, dots, threads);                          \
    }

BDG_STEP(float32, float)
BDG_STEP(float64, double)
BDG_STEP(complex64, Complex<float>)
BDG_STEP(complex128, Complex<double>)
