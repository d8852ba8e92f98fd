// Fronts of quaternion matrices on a CPU, planes q0 to q3 of each: elimination of their pivots, and their selected inverse.
//
// A product takes eight real ones (T. D. Howell and J.-C. Lafon 1975): of four signed sums of the planes of both factors,
// and of the planes themselves, added to what the sums gave. Real products are BLAS's, which the caller hands over.
// Matrices lie row by row; fronts of a stack follow one another, each on the threads and in the scratch of its caller.
#include <cmath>

namespace quaternions {

template <class T>
using Gemm = void (*)(const char*, const char*, const int*, const int*, const int*, const T*, const T*, const int*,
                      const T*, const int*, const T*, T*, const int*);

struct Shape {
    int a, u, base, symmetric;  // rows of pivots and of updates; rows of a block that is inverted with pivoting
};

template <class T>
struct Planes {  // of one matrix
    T* at;
    long long plane, row;  // distances in elements
    T* operator()(int p, long long i) const { return at + p * plane + i * row; }
    Planes part(long long i, long long j) const { return {at + i * row + j, plane, row}; }
};

template <class T>
struct Scratch {  // handed on by value: what a function takes is free again when it is done
    T* at;
    Planes<T> take(long long rows, long long columns) {
        const Planes<T> found{at, rows * columns, columns};
        at += 4 * rows * columns;
        return found;
    }
};

template <class T>
struct Factor {  // of a product; reversed: transposed, and the sign of q2 changed, which the sums have already
    Planes<T> sums, planes;
    bool reversed;
};

template <class T>
Factor<T> factor(Planes<T> x, int rows, int columns, bool reversed, Scratch<T>& scratch) {
    const Planes<T> sums = scratch.take(rows, columns);
    const T sign = reversed ? -1 : 1;
    for (int i = 0; i < rows; ++i) {
        const T *__restrict__ q0 = x(0, i), *__restrict__ q1 = x(1, i), *__restrict__ q2 = x(2, i), *__restrict__ q3 = x(3, i);
        T *__restrict__ s0 = sums(0, i), *__restrict__ s1 = sums(1, i), *__restrict__ s2 = sums(2, i), *__restrict__ s3 = sums(3, i);
        for (int j = 0; j < columns; ++j) {
            const T second = sign * q2[j];
            const T even = q0[j] + second, odd = q1[j] + q3[j], even2 = q0[j] - second, odd2 = q1[j] - q3[j];
            s0[j] = even + odd;
            s1[j] = even - odd;
            s2[j] = even2 + odd2;
            s3[j] = even2 - odd2;
        }
    }
    return {sums, x, reversed};
}

const long long CACHED = 1 << 17;  // elements of the four sums at a time

inline int rows_at_a_time(int rows, int columns, bool upper) {
    if (upper && rows >= 96) return std::max(48, (rows + 5) / 6);
    return 4LL * rows * columns > CACHED ? int(std::max(96LL, CACHED / (4 * columns))) : rows;
}

inline long long tile_elements(int rows, int columns, bool upper) {
    return 4LL * std::min(rows, rows_at_a_time(rows, columns, upper)) * columns;
}

// Set out = add + sign * left right, left (r, k), right (k, c); add may be out, or nothing. `upper`: the lower triangle may
// be left as it is.
template <class T>
void multiply(Gemm<T> gemm, const Factor<T>& left, const Factor<T>& right, int r, int k, int c, Planes<T> out,
              const Planes<T>* add, T sign, bool upper, Scratch<T> scratch) {
    static const int SECOND[4] = {0, 3, 1, 2}, OTHER[4] = {0, 2, 3, 1};
    const int step = rows_at_a_time(r, c, upper);
    for (int row = 0; row < r; row += step) {
        const int rows = std::min(step, r - row), begin = upper ? row : 0, columns = c - begin;
        const auto real_product = [&](const Planes<T>& x, int p, const Planes<T>& y, int q, T alpha, T beta, T* to, long long ld) {
            const T* first = left.reversed ? x(p, 0) + row : x(p, row);
            const T* second = right.reversed ? y(q, begin) : y(q, 0) + begin;
            const int first_row = int(x.row), second_row = int(y.row), to_row = int(ld);
            // BLAS counts by columns: the transposes in the other order
            gemm(right.reversed ? "T" : "N", left.reversed ? "T" : "N", &columns, &rows, &k, &alpha, second, &second_row,
                 first, &first_row, &beta, to, &to_row);
        };
        Scratch<T> own = scratch;
        const Planes<T> sums = own.take(rows, columns);
        for (int p = 0; p < 4; ++p) real_product(left.sums, p, right.sums, p, T(0.25), T(0), sums(p, 0), sums.row);
        for (int i = 0; i < rows; ++i) {
            const T *__restrict__ s0 = sums(0, i), *__restrict__ s1 = sums(1, i), *__restrict__ s2 = sums(2, i), *__restrict__ s3 = sums(3, i);
            T *q0 = out(0, row + i) + begin, *q1 = out(1, row + i) + begin, *q2 = out(2, row + i) + begin, *q3 = out(3, row + i) + begin;
            if (add) {
                const T *f0 = (*add)(0, row + i) + begin, *f1 = (*add)(1, row + i) + begin;
                const T *f2 = (*add)(2, row + i) + begin, *f3 = (*add)(3, row + i) + begin;
#pragma GCC ivdep
                for (int j = 0; j < columns; ++j) {
                    const T even = s0[j] + s1[j], odd = s0[j] - s1[j], even2 = s2[j] + s3[j], odd2 = s2[j] - s3[j];
                    q0[j] = f0[j] - sign * (even + even2);
                    q1[j] = f1[j] + sign * (odd + odd2);
                    q2[j] = f2[j] + sign * (even - even2);
                    q3[j] = f3[j] + sign * (odd - odd2);
                }
            } else {
#pragma GCC ivdep
                for (int j = 0; j < columns; ++j) {
                    const T even = s0[j] + s1[j], odd = s0[j] - s1[j], even2 = s2[j] + s3[j], odd2 = s2[j] - s3[j];
                    q0[j] = -sign * (even + even2);
                    q1[j] = sign * (odd + odd2);
                    q2[j] = sign * (even - even2);
                    q3[j] = sign * (odd - odd2);
                }
            }
        }
        for (int p = 0; p < 4; ++p) {
            T alpha = p ? -2 * sign : 2 * sign;
            if (left.reversed && SECOND[p] == 2) alpha = -alpha;
            if (right.reversed && OTHER[p] == 2) alpha = -alpha;
            real_product(left.planes, SECOND[p], right.planes, OTHER[p], alpha, T(1), out(p, row) + begin, out.row);
        }
    }
}

// Replace a matrix by the mean of it and its reversal.
template <class T>
void symmetrise(Planes<T> x, int size) {
    for (int p = 0; p < 4; ++p) {
        const T sign = p == 2 ? -1 : 1;
        for (int i = 0; i < size; ++i) {
            T* row = x(p, i);
            for (int j = 0; j < i; ++j) {
                T& other = x(p, j)[i];
                other = T(0.5) * (other + sign * row[j]);
                row[j] = sign * other;
            }
            if (p == 2) row[i] = 0;
        }
    }
}

// Set the lower triangle so that the matrix equals its reversal.
template <class T>
void mirror(Planes<T> x, int size) {
    for (int p = 0; p < 4; ++p) {
        const T sign = p == 2 ? -1 : 1;
        for (int i = 0; i < size; ++i) {
            T* row = x(p, i);
            for (int j = 0; j < i; ++j) row[j] = sign * x(p, j)[i];
            if (p == 2) row[i] = 0;
        }
    }
}

template <class T>
void reverse(Planes<T> x, int rows, int columns, Planes<T> out) {
    const int block = 16;
    for (int p = 0; p < 4; ++p) {
        const T sign = p == 2 ? -1 : 1;
        for (int begin = 0; begin < rows; begin += block)
            for (int j = 0; j < columns; ++j) {
                T* to = out(p, j);
                for (int i = begin; i < std::min(begin + block, rows); ++i) to[i] = sign * x(p, i)[j];
            }
    }
}

// Set y -= f x for rows of quaternions in planes of `size` elements.
template <class T>
inline void subtract_multiple(T* __restrict__ y, const T* __restrict__ x, int size, T f0, T f1, T f2, T f3) {
    for (int j = 0; j < size; ++j) {
        const T x0 = x[j], x1 = x[size + j], x2 = x[2 * size + j], x3 = x[3 * size + j];
        y[j] = y[j] - f0 * x0 + f1 * x1 + f2 * x2 + f3 * x3;
        y[size + j] = y[size + j] - f0 * x1 - f1 * x0 - f2 * x3 + f3 * x2;
        y[2 * size + j] = y[2 * size + j] - f0 * x2 + f1 * x3 - f2 * x0 - f3 * x1;
        y[3 * size + j] = y[3 * size + j] - f0 * x3 - f1 * x2 + f2 * x1 - f3 * x0;
    }
}

inline int padded(int size) { return (size + 7) / 8 * 8; }

// Inverse by Gauss and Jordan with exchange of rows; returns log|det| of the complex matrix that is meant.
template <class T>
double invert_base(Planes<T> in, Planes<T> out, int size, bool symmetric, Scratch<T> scratch) {
    const int width = padded(size);
    T* const rows = scratch.take(size, width).at;  // row by row, the four planes of each side by side
    T* const factors = scratch.take(1, width).at;
    T* const exchanged = scratch.take(1, width).at;
    const auto at = [&](int i, int p) { return rows + (4LL * i + p) * width; };
    for (int i = 0; i < size; ++i)
        for (int p = 0; p < 4; ++p) {
            T* row = at(i, p);
            const T sign = p == 2 ? -1 : 1;
            const int begin = symmetric ? i : 0;
            for (int j = 0; j < begin; ++j) row[j] = sign * in(p, j)[i];
            for (int j = begin; j < size; ++j) row[j] = in(p, i)[j];
            for (int j = size; j < width; ++j) row[j] = 0;
        }
    double logarithm = 0;
    for (int k = 0; k < size; ++k) {
        int best = k;
        T most = -1;
        for (int i = k; i < size; ++i) {
            T norm = 0;
            for (int p = 0; p < 4; ++p) norm += at(i, p)[k] * at(i, p)[k];
            if (norm > most) most = norm, best = i;
        }
        exchanged[k] = T(best);
        if (best != k) std::swap_ranges(at(k, 0), at(k, 0) + 4 * width, at(best, 0));
        logarithm += std::log(double(most));
        T pivot[4], inverse[4];
        for (int p = 0; p < 4; ++p) {
            pivot[p] = at(k, p)[k];
            inverse[p] = (p ? -pivot[p] : pivot[p]) / most;
            at(k, p)[k] = p ? 0 : 1;
        }
        std::memcpy(factors, at(k, 0), 4 * width * sizeof(T));
        std::memset(at(k, 0), 0, 4 * width * sizeof(T));
        subtract_multiple(at(k, 0), factors, width, -inverse[0], -inverse[1], -inverse[2], -inverse[3]);
        for (int i = 0; i < size; ++i) {
            if (i == k) continue;
            T f[4];
            for (int p = 0; p < 4; ++p) {
                f[p] = at(i, p)[k];
                at(i, p)[k] = 0;
            }
            subtract_multiple(at(i, 0), at(k, 0), width, f[0], f[1], f[2], f[3]);
        }
    }
    for (int k = size - 1; k >= 0; --k) {
        const int other = int(exchanged[k]);
        if (other != k)
            for (int i = 0; i < size; ++i)
                for (int p = 0; p < 4; ++p) std::swap(at(i, p)[k], at(i, p)[other]);
    }
    for (int p = 0; p < 4; ++p) {
        const T sign = p == 2 ? -1 : 1;
        for (int i = 0; i < size; ++i) {
            T* to = out(p, i);
            if (!symmetric) std::memcpy(to, at(i, p), size * sizeof(T));
            else
                for (int j = 0; j < size; ++j) to[j] = T(0.5) * (at(i, p)[j] + sign * at(j, p)[i]);
        }
    }
    return logarithm;
}

inline int first_half(int size, int base) {
    return size > 2 * base ? base * std::max(1, (size + base - 1) / base / 2) : (size + 1) / 2;
}

inline long long inverse_elements(int size, int base, bool symmetric) {
    if (size <= base) return 4LL * (size + 2) * padded(size);
    const long long half = first_half(size, base), rest = size - half;
    const long long own = 4 * ((symmetric ? 7 : 8) * half * rest + half * half + 2 * rest * rest);
    const long long tiles = std::max({tile_elements(half, rest, false), tile_elements(rest, half, false),
                                      tile_elements(rest, rest, symmetric), tile_elements(half, half, symmetric)});
    return own + std::max({inverse_elements(half, base, symmetric), inverse_elements(rest, base, symmetric), tiles});
}

// Inverse by halves as in bdg.gpu.multifrontal.factors.stacked; of a symmetric matrix the upper triangle is read.
template <class T>
double invert(Gemm<T> gemm, Planes<T> in, Planes<T> out, int size, int base, bool symmetric, Scratch<T> scratch) {
    if (size <= base) return invert_base(in, out, size, symmetric, scratch);
    const int half = first_half(size, base), rest = size - half;
    const Planes<T> across = in.part(0, half), first = out.part(0, 0), second = out.part(half, half);
    const Planes<T> corner = out.part(0, half), remainder = in.part(half, half);
    double logarithm = invert(gemm, in, first, half, base, symmetric, scratch);
    const Factor<T> right = factor(across, half, rest, false, scratch), of_first = factor(first, half, half, false, scratch);
    const Planes<T> forward = scratch.take(half, rest);
    multiply<T>(gemm, of_first, right, half, half, rest, forward, nullptr, 1, false, scratch);
    const Factor<T> of_forward = factor(forward, half, rest, false, scratch);
    const Factor<T> lower = symmetric ? factor(across, half, rest, true, scratch) : factor(in.part(half, 0), rest, half, false, scratch);
    Planes<T> backward = forward;
    if (!symmetric) {
        backward = scratch.take(rest, half);
        multiply<T>(gemm, lower, of_first, rest, half, half, backward, nullptr, 1, false, scratch);
    }
    const Factor<T> of_backward = symmetric ? factor(forward, half, rest, true, scratch) : factor(backward, rest, half, false, scratch);
    const Planes<T> schur = scratch.take(rest, rest);
    multiply<T>(gemm, lower, of_forward, rest, half, rest, schur, &remainder, -1, symmetric, scratch);
    logarithm += invert(gemm, schur, second, rest, base, symmetric, scratch);
    const Factor<T> of_second = factor(second, rest, rest, false, scratch);
    multiply<T>(gemm, of_forward, of_second, half, rest, rest, corner, nullptr, -1, false, scratch);
    multiply<T>(gemm, factor(corner, half, rest, false, scratch), of_backward, half, rest, half, first, &first, -1, symmetric, scratch);
    if (symmetric) {
        mirror(first, half);
        reverse(corner, half, rest, out.part(half, 0));
    } else
        multiply<T>(gemm, of_second, of_backward, rest, rest, half, out.part(half, 0), nullptr, -1, false, scratch);
    return logarithm;
}

inline long long elimination_elements(const Shape& s) {
    const long long a = s.a, u = s.u, tiles = std::max({tile_elements(s.a, s.u, false), tile_elements(s.u, s.a, false),
                                                        tile_elements(s.u, s.u, s.symmetric)});
    return std::max(inverse_elements(s.a, s.base, s.symmetric), 4 * (a * a + 3 * a * u) + tiles);
}

inline long long selected_elements(const Shape& s) {
    const long long a = s.a, u = s.u, tiles = std::max({tile_elements(s.a, s.u, false), tile_elements(s.u, s.a, false),
                                                        tile_elements(s.a, s.a, s.symmetric)});
    return 4 * (u * u + 3 * a * u) + tiles;
}

// Eliminate the pivots of a stack of fronts (a + u)^2: inverses Pi of their blocks, W = Pi F_PU, V = F_UP Pi (not if
// symmetric), and what is left of F_UU; returns log|det| of all blocks.
template <class T>
double eliminate(Gemm<T> gemm, const Shape& s, long long n, T* front, T* inverse, T* forward, T* backward, T* schur, T* at) {
    const long long a = s.a, u = s.u, m = a + u;
    double logarithm = 0;
    for (long long k = 0; k < n; ++k) {
        Scratch<T> scratch{at};
        const Planes<T> f{front + k * m * m, n * m * m, m}, pi{inverse + k * a * a, n * a * a, a};
        logarithm += invert(gemm, f, pi, s.a, s.base, s.symmetric, scratch);
        if (!u) continue;
        const Planes<T> w{forward + k * a * u, n * a * u, u}, left{schur + k * u * u, n * u * u, u}, rest = f.part(a, a);
        const Factor<T> of_inverse = factor(pi, s.a, s.a, false, scratch), across = factor(f.part(0, a), s.a, s.u, false, scratch);
        multiply<T>(gemm, of_inverse, across, s.a, s.a, s.u, w, nullptr, 1, false, scratch);
        const Factor<T> below = s.symmetric ? factor(f.part(0, a), s.a, s.u, true, scratch) : factor(f.part(a, 0), s.u, s.a, false, scratch);
        if (!s.symmetric)
            multiply<T>(gemm, below, of_inverse, s.u, s.a, s.a, {backward + k * a * u, n * a * u, a}, nullptr, 1, false, scratch);
        multiply<T>(gemm, below, factor(w, s.a, s.u, false, scratch), s.u, s.a, s.u, left, &rest, -1, s.symmetric, scratch);
    }
    return logarithm;
}

// Rows of the inverse that belong to the pivots of a stack, from G_UU (n, u, u): into whole (n, m, m), of a leaf (n, a, m)
// with what is below in `left` (n, u, a) unless symmetric. G_UU of others may be the corner of `whole`.
template <class T>
void selected(Gemm<T> gemm, const Shape& s, long long n, const T* inverse, const T* forward, const T* backward, T* outer,
              const long long* outer_distances, T* whole, T* left, int is_leaf, T* at) {
    const long long a = s.a, u = s.u, m = a + u, height = is_leaf ? a : m;
    for (long long k = 0; k < n; ++k) {
        Scratch<T> scratch{at};
        const Planes<T> g{whole + k * height * m, n * height * m, m}, pi{const_cast<T*>(inverse) + k * a * a, n * a * a, a};
        const Planes<T> w{const_cast<T*>(forward) + k * a * u, n * a * u, u};
        const Planes<T> above{outer + k * outer_distances[1], outer_distances[0], outer_distances[2]};
        const Factor<T> of_above = factor(above, s.u, s.u, false, scratch);
        {
            Scratch<T> own = scratch;
            multiply<T>(gemm, factor(w, s.a, s.u, false, own), of_above, s.a, s.u, s.u, g.part(0, a), nullptr, -1, false, own);
        }
        const Planes<T> v = s.symmetric ? w : Planes<T>{const_cast<T*>(backward) + k * a * u, n * a * u, a};
        const Factor<T> last = s.symmetric ? factor(w, s.a, s.u, true, scratch) : factor(v, s.u, s.a, false, scratch);
        multiply<T>(gemm, factor(g.part(0, a), s.a, s.u, false, scratch), last, s.a, s.u, s.a, g, &pi, -1, false, scratch);
        if (s.symmetric) {
            // the mean, not a mirror image: this keeps half of the rounding that grows by |W|^2 on every level out
            symmetrise(g, s.a);
            if (!is_leaf) reverse(g.part(0, a), s.a, s.u, g.part(a, 0));
        } else {
            const Planes<T> below = is_leaf ? Planes<T>{left + k * a * u, n * a * u, a} : g.part(a, 0);
            multiply<T>(gemm, of_above, last, s.u, s.u, s.a, below, nullptr, -1, false, scratch);
        }
    }
}

}  // namespace quaternions

#define BDG_QUATERNIONS(NAME, TYPE)                                                                                     \
    extern "C" __attribute__((visibility("default"))) double eliminate_quaternions_##NAME(                               \
        void* gemm, const quaternions::Shape* shape, long long n, TYPE* front, TYPE* inverse, TYPE* forward, TYPE* backward,           \
        TYPE* schur, TYPE* scratch) {                                                                                    \
        return quaternions::eliminate(reinterpret_cast<quaternions::Gemm<TYPE>>(gemm), *shape, n, front, inverse, forward, backward, schur,         \
                         scratch);                                                                                       \
    }                                                                                                                   \
    extern "C" __attribute__((visibility("default"))) void selected_quaternions_##NAME(                                  \
        void* gemm, const quaternions::Shape* shape, long long n, const TYPE* inverse, const TYPE* forward, const TYPE* backward,      \
        TYPE* outer, const long long* distances, TYPE* whole, TYPE* left, int is_leaf, TYPE* scratch) {                  \
        quaternions::selected(reinterpret_cast<quaternions::Gemm<TYPE>>(gemm), *shape, n, inverse, forward, backward, outer, distances, whole,      \
                 left, is_leaf, scratch);                                                                                \
    }

BDG_QUATERNIONS(float32, float)
BDG_QUATERNIONS(float64, double)

extern "C" __attribute__((visibility("default"))) long long quaternion_scratch(const quaternions::Shape* shape) {
    return std::max(quaternions::elimination_elements(*shape), quaternions::selected_elements(*shape));
}
