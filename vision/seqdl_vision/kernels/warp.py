"""Pictures resampled: bent, moved, thickened, and a part of one brought to the size of a character."""

from __future__ import annotations

from seqdl.kernels.jit import kernel


@kernel
def pixel(image, y, x):  # type: ignore[no-untyped-def]
    """The bilinear value of image (H, W) float32 at a place; 0 outside."""
    height, width = image.shape
    zero = image.dtype.type(0)
    if not (y > -1 and x > -1 and y < height and x < width):
        return zero
    top, left = int(y + 1) - 1, int(x + 1) - 1  # floor, where int() would round -0.5 up
    down, right = y - image.dtype.type(top), x - image.dtype.type(left)
    value = zero
    for i in range(2):
        for j in range(2):
            if 0 <= top + i < height and 0 <= left + j < width:
                share = (down if i else 1 - down) * (right if j else 1 - right)
                value += share * image[top + i, left + j]
    return value


@kernel
def bend(images, matrices, fields, out):  # type: ignore[no-untyped-def]
    """out[n, y, x] = images[n] at matrices[n] @ (x, y, 1) + what fields[n] moves it by.

    images and out (N, H, W) float32; matrices (N, 2, 3) float32, rows x and y; fields (N, 2, G, G) float32, the
    displacements in x and y at the knots of a grid over the picture, bilinear between them.
    """
    count, height, width = out.shape
    knots = fields.shape[2]
    one = out.dtype.type(1)
    steps_y, steps_x = out.dtype.type(knots - 1) / (height - 1), out.dtype.type(knots - 1) / (width - 1)
    for n in range(count):
        m, field = matrices[n], fields[n]
        for i in range(height):
            y = out.dtype.type(i)
            u = y * steps_y
            row = min(int(u), knots - 2)
            u -= out.dtype.type(row)
            for j in range(width):
                x = out.dtype.type(j)
                v = x * steps_x
                column = min(int(v), knots - 2)
                v -= out.dtype.type(column)
                a, b, c, d = (one - u) * (one - v), (one - u) * v, u * (one - v), u * v
                fx, fy = field[0, row : row + 2, column : column + 2], field[1, row : row + 2, column : column + 2]
                moved_x = a * fx[0, 0] + b * fx[0, 1] + c * fx[1, 0] + d * fx[1, 1]
                moved_y = a * fy[0, 0] + b * fy[0, 1] + c * fy[1, 0] + d * fy[1, 1]
                from_x = m[0, 0] * x + m[0, 1] * y + m[0, 2] + moved_x
                from_y = m[1, 0] * x + m[1, 1] * y + m[1, 2] + moved_y
                out[n, i, j] = pixel(images[n], from_y, from_x)


@kernel
def thicken(images, amounts, out):  # type: ignore[no-untyped-def]
    """Strokes made thicker (amount 0 to 1) or thinner (0 to -1): mixed with the most or least of the neighbours.

    images and out (N, H, W) float32, amounts (N,) float32; the neighbours are those above, below, left and right.
    """
    count, height, width = out.shape
    for n in range(count):
        share = abs(amounts[n])
        most = amounts[n] > 0
        for i in range(height):
            for j in range(width):
                own = images[n, i, j]
                value = own
                for di, dj in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                    y, x = i + di, j + dj
                    near = images[n, y, x] if 0 <= y < height and 0 <= x < width else out.dtype.type(0)
                    value = max(value, near) if most else min(value, near)
                out[n, i, j] = own + share * (value - own)


@kernel
def place(image, top, left, height, width, size, out):  # type: ignore[no-untyped-def]
    """The box of `image` that begins at top, left, brought into the middle `size` pixels of out, its aspect kept.

    image (H, W) and out (S, S) float32. Each pixel is the mean of four samples, enough for boxes up to twice `size`.
    """
    half = out.dtype.type(0.5)
    scale = out.dtype.type(max(height, width)) / out.dtype.type(size)
    first_y = out.dtype.type(top) + half * out.dtype.type(height) - half * scale * out.dtype.type(len(out))
    first_x = out.dtype.type(left) + half * out.dtype.type(width) - half * scale * out.dtype.type(len(out))
    cut = image[top : top + height, left : left + width]
    for i in range(len(out)):
        for j in range(len(out)):
            value = out.dtype.type(0)
            for k in range(4):
                y = first_y + (out.dtype.type(i) + out.dtype.type(0.25) + half * out.dtype.type(k // 2)) * scale - half
                x = first_x + (out.dtype.type(j) + out.dtype.type(0.25) + half * out.dtype.type(k % 2)) * scale - half
                value += pixel(cut, y - out.dtype.type(top), x - out.dtype.type(left))
            out[i, j] = value * out.dtype.type(0.25)
