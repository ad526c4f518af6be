"""A perceptron learns the handwritten digits of scikit-learn: one run, with options on the command line."""

import argparse
import json

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--hidden", type=int, default=16)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

images, digits = load_digits(return_X_y=True)
train_x, test_x, train_y, test_y = train_test_split(images / 16, digits, test_size=0.25, random_state=0, stratify=digits)
model = MLPClassifier((args.hidden,), learning_rate_init=args.lr, random_state=args.seed)
curve = []
for epoch in range(30):
    model.partial_fit(train_x, train_y, classes=range(10))
    curve.append(model.score(test_x, test_y))
    print(f"epoch {epoch + 1}: accuracy {curve[-1]:.3f}")

with open("result.json", "w") as file:
    json.dump({"accuracy": curve[-1], "curve": curve, "loss": model.loss_}, file)
