// Several neighbouring columns of a vector in the registers of a CPU: what chebyshev.cuh takes for a column.
//
// Complex columns stay interleaved as they lie in memory; i times them is a swap of neighbours and a sign. A vector is as
// wide as a register of the machine that the file is compiled for (wider ones are kept in memory, which is 20 times
// slower), and more columns than fit are two halves.
#include <cstring>
#include <utility>

#if defined(__AVX512F__)
#define BDG_REGISTER 64
#elif defined(__AVX__)
#define BDG_REGISTER 32
#else
#define BDG_REGISTER 16
#endif

template <class R, int n>
struct Register {
    typedef R Type __attribute__((vector_size(n * sizeof(R))));
};

// Real numbers in C columns of T.
template <class T, int C>
constexpr int reals() {
    return C * int(sizeof(T) / sizeof(typename Parts<T>::Real));
}

template <class T, int C, bool wide = (C * sizeof(T) > BDG_REGISTER)>
struct Lanes {  // in one register
    using Real = typename Parts<T>::Real;
    typename Register<Real, reals<T, C>()>::Type vector;
};
template <class T, int C>
struct Lanes<T, C, true> {
    Lanes<T, C / 2> low, high;
};

template <class T, int C>
__device__ inline void load(Lanes<T, C, false>& columns, const T* from) {
    std::memcpy(&columns.vector, from, sizeof columns.vector);
}
template <class T, int C>
__device__ inline void load(Lanes<T, C, true>& columns, const T* from) {
    load(columns.low, from);
    load(columns.high, from + C / 2);
}
template <class T, int C>
__device__ inline void store(T* to, const Lanes<T, C, false>& columns) {
    std::memcpy(to, &columns.vector, sizeof columns.vector);
}
template <class T, int C>
__device__ inline void store(T* to, const Lanes<T, C, true>& columns) {
    store(to, columns.low);
    store(to + C / 2, columns.high);
}

// Of columns (re, im, re, im, ...): (im, re, im, re, ...), and (even, odd, even, odd, ...).
template <class V, int n>
__device__ inline V swapped(const V& a) {
    V out;
    for (int k = 0; k < n; ++k) out[k] = a[k ^ 1];
    return out;
}
template <class V, int n>
__device__ inline V alternating(double even, double odd) {
    V out;
    for (int k = 0; k < n; ++k) out[k] = k % 2 ? odd : even;
    return out;
}

template <class R, int C>
__device__ inline void add_product(Lanes<R, C, false>& sum, const R& a, const Lanes<R, C, false>& b) {
    sum.vector += a * b.vector;
}
template <class R, int C>
__device__ inline void add_product(Lanes<Complex<R>, C, false>& sum, const Complex<R>& a, const Lanes<Complex<R>, C, false>& b) {
    using Vector = decltype(sum.vector + b.vector);
    sum.vector += a.re * b.vector;
    sum.vector += (alternating<Vector, 2 * C>(-1, 1) * a.im) * swapped<Vector, 2 * C>(b.vector);
}
template <class T, int C>
__device__ inline void add_product(Lanes<T, C, true>& sum, const T& a, const Lanes<T, C, true>& b) {
    add_product(sum.low, a, b.low);
    add_product(sum.high, a, b.high);
}

template <class R, int C, bool wide>
__device__ inline void add_conjugate(Lanes<R, C, wide>& sum, const R& sign, const R& a, const Lanes<R, C, wide>& b) {
    add_product(sum, sign * a, b);
}
template <class R, int C, bool wide>
__device__ inline void add_conjugate(Lanes<Complex<R>, C, wide>& sum, const R& sign, const Complex<R>& a,
                          const Lanes<Complex<R>, C, wide>& b) {
    add_product(sum, Complex<R>{sign * a.re, -sign * a.im}, b);
}

template <class T, int C>
__device__ inline void add_scaled(Lanes<T, C, false>& sum, const typename Parts<T>::Real& factor, const Lanes<T, C, false>& a) {
    sum.vector += factor * a.vector;
}
template <class T, int C>
__device__ inline void add_scaled(Lanes<T, C, true>& sum, const typename Parts<T>::Real& factor, const Lanes<T, C, true>& a) {
    add_scaled(sum.low, factor, a.low);
    add_scaled(sum.high, factor, a.high);
}

// Sums over n lanes of products in double precision; `Half` of the lanes of a register of floats, whose doubles fill two.
template <class R, int n, bool wide = (n * sizeof(double) > BDG_REGISTER)>
struct LaneSums {
    using Wide = typename Register<double, n>::Type;
    using Narrow = typename Register<R, n>::Type;
    Wide sum = {};

    __device__ inline void add(const Narrow& a, const Narrow& b) {
        sum += __builtin_convertvector(a, Wide) * __builtin_convertvector(b, Wide);
    }
    __device__ inline void add_alternating(double even, double odd, const Narrow& a, const Narrow& b) {
        sum += (alternating<Wide, n>(even, odd) * __builtin_convertvector(a, Wide)) * __builtin_convertvector(b, Wide);
    }
    __device__ inline void add_swapped(double sign, const Narrow& a, const Narrow& b) {
        sum += (sign * __builtin_convertvector(a, Wide)) * swapped<Wide, n>(__builtin_convertvector(b, Wide));
    }
    __device__ inline double at(int lane) const { return sum[lane]; }
};
template <class R, int n>
struct LaneSums<R, n, true> {
    using Narrow = typename Register<R, n>::Type;
    using Half = typename Register<R, n / 2>::Type;
    LaneSums<R, n / 2> low, high;

    template <int first, int... k>
    __device__ static inline Half picked(const Narrow& a, std::integer_sequence<int, k...>) {
        return __builtin_shufflevector(a, a, (first + k)...);
    }
    template <int first>
    __device__ static inline Half half(const Narrow& a) {
        return picked<first>(a, std::make_integer_sequence<int, n / 2>());
    }
    __device__ inline void add(const Narrow& a, const Narrow& b) {
        low.add(half<0>(a), half<0>(b));
        high.add(half<n / 2>(a), half<n / 2>(b));
    }
    __device__ inline void add_alternating(double even, double odd, const Narrow& a, const Narrow& b) {
        low.add_alternating(even, odd, half<0>(a), half<0>(b));
        high.add_alternating(even, odd, half<n / 2>(a), half<n / 2>(b));
    }
    __device__ inline void add_swapped(double sign, const Narrow& a, const Narrow& b) {
        low.add_swapped(sign, half<0>(a), half<0>(b));
        high.add_swapped(sign, half<n / 2>(a), half<n / 2>(b));
    }
    __device__ inline double at(int lane) const { return lane < n / 2 ? low.at(lane) : high.at(lane - n / 2); }
};

// Dot products of each column: sums of lanes in double precision, those of real and imaginary parts put together last.
template <class T, int C>
struct Sums<Lanes<T, C, false>> {
    static constexpr int n = reals<T, C>();
    LaneSums<typename Parts<T>::Real, n> first, second;

    __device__ inline void add_square(const Lanes<T, C, false>& y) { first.add(y.vector, y.vector); }
    __device__ inline void add_overlap(const Lanes<T, C, false>& y, const Lanes<T, C, false>& x) {
        second.add(y.vector, x.vector);
    }
    __device__ inline void add_partners(double sign, const Lanes<T, C, false>& a, const Lanes<T, C, false>& b) {
        if constexpr (n > C) {
            first.add_alternating(sign, -sign, a.vector, b.vector);
            second.add_swapped(sign, a.vector, b.vector);
        } else {
            first.add_alternating(sign, sign, a.vector, b.vector);
        }
    }
    // sums (C, 2) += those of the columns
    __device__ inline void add_to(double* sums) const {
        for (int lane = 0; lane < n; ++lane) {
            sums[2 * (lane * C / n)] += first.at(lane);
            sums[2 * (lane * C / n) + 1] += second.at(lane);
        }
    }
};
template <class T, int C>
struct Sums<Lanes<T, C, true>> {
    Sums<Lanes<T, C / 2>> low, high;

    __device__ inline void add_square(const Lanes<T, C, true>& y) {
        low.add_square(y.low);
        high.add_square(y.high);
    }
    __device__ inline void add_overlap(const Lanes<T, C, true>& y, const Lanes<T, C, true>& x) {
        low.add_overlap(y.low, x.low);
        high.add_overlap(y.high, x.high);
    }
    __device__ inline void add_partners(double sign, const Lanes<T, C, true>& a, const Lanes<T, C, true>& b) {
        low.add_partners(sign, a.low, b.low);
        high.add_partners(sign, a.high, b.high);
    }
    __device__ inline void add_to(double* sums) const {
        low.add_to(sums);
        high.add_to(sums + C);
    }
};
