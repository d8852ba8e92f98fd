// Complex numbers of the kernels: two reals laid out as NumPy and CuPy store them, moved as one word.

template <class Real>
struct alignas(2 * sizeof(Real)) Complex {
    Real re, im;
};

template <class Real>
__device__ inline Complex<Real>& operator+=(Complex<Real>& a, const Complex<Real>& b) {
    a.re += b.re;
    a.im += b.im;
    return a;
}
