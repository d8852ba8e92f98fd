// Adding into fronts and reading from them on a CPU: the places of a child are a few unbroken runs of its parent's front,
// and a run is added as it stands. The operations are those of extend_add.cuh.

// Set for each row where the unbroken run of places that it belongs to ends.
inline void find_runs(const int* place, std::vector<int>& ends) {
    const int size = int(ends.size());
    for (int j = size - 1; j >= 0; --j) ends[j] = j + 1 < size && place[j + 1] == place[j] + 1 ? ends[j + 1] : j + 1;
}

template <class T>
void add_children(T* front, long long front_plane, long long front_matrix, long long front_row, const T* schur,
                  long long schur_plane, long long schur_matrix, long long schur_row, const long long* parents,
                  const long long* rows, const int* places, long long n_children, int n_planes, int size, int upper) {
    std::vector<int> ends(size);
    for (long long k = 0; k < n_children; ++k) {
        const int* place = places + k * size;
        find_runs(place, ends);
        for (int plane = 0; plane < n_planes; ++plane)
            for (int i = 0; i < size; ++i) {
                T* __restrict__ target = front + plane * front_plane + parents[k] * front_matrix + place[i] * front_row;
                const T* __restrict__ source = schur + plane * schur_plane + rows[k] * schur_matrix + i * schur_row;
                for (int j = upper ? i : 0; j < size;) {
                    T* to = target + place[j] - j;
                    for (const int end = ends[j]; j < end; ++j) to[j] += source[j];
                }
            }
    }
}

template <class T>
void read_parents(const T* inverse, long long inverse_plane, long long inverse_matrix, long long inverse_row, T* out,
                  long long out_plane, long long out_matrix, long long out_row, const long long* parents,
                  const long long* rows, const int* places, long long n_children, int n_planes, int size) {
    std::vector<int> ends(size);
    for (long long k = 0; k < n_children; ++k) {
        const int* place = places + k * size;
        find_runs(place, ends);
        for (int plane = 0; plane < n_planes; ++plane)
            for (int i = 0; i < size; ++i) {
                const T* __restrict__ source = inverse + plane * inverse_plane + parents[k] * inverse_matrix + place[i] * inverse_row;
                T* __restrict__ target = out + plane * out_plane + rows[k] * out_matrix + i * out_row;
                for (int j = 0; j < size;) {
                    const T* from = source + place[j] - j;
                    for (const int end = ends[j]; j < end; ++j) target[j] = from[j];
                }
            }
    }
}

#define BDG_STACKS(NAME, TYPE)                                                                                          \
    extern "C" __attribute__((visibility("default"))) void extend_add_##NAME(                                            \
        void* front, const void* schur, const long long* strides, const long long* parents, const long long* rows,        \
        const int* places, long long n_children, int n_planes, int size, int upper) {                                    \
        add_children(static_cast<TYPE*>(front), strides[0], strides[1], strides[2], static_cast<const TYPE*>(schur),      \
                     strides[3], strides[4], strides[5], parents, rows, places, n_children, n_planes, size, upper);       \
    }                                                                                                                   \
    extern "C" __attribute__((visibility("default"))) void gather_##NAME(                                                \
        const void* inverse, void* out, const long long* strides, const long long* parents, const long long* rows,        \
        const int* places, long long n_children, int n_planes, int size) {                                               \
        read_parents(static_cast<const TYPE*>(inverse), strides[0], strides[1], strides[2], static_cast<TYPE*>(out),      \
                     strides[3], strides[4], strides[5], parents, rows, places, n_children, n_planes, size);             \
    }

BDG_STACKS(float32, float)
BDG_STACKS(float64, double)
BDG_STACKS(complex64, Complex<float>)
BDG_STACKS(complex128, Complex<double>)
