-- The demonstration shop. Days count from today, so that the orders never look old.
CREATE TABLE product (name TEXT PRIMARY KEY, cents INTEGER NOT NULL, stock INTEGER NOT NULL, back_in INTEGER);
CREATE TABLE customer (id TEXT PRIMARY KEY, mail TEXT NOT NULL);
CREATE TABLE purchase (
  id TEXT PRIMARY KEY, customer TEXT NOT NULL REFERENCES customer (id), status TEXT NOT NULL, placed INTEGER NOT NULL,
  carrier TEXT, tracking TEXT, ships INTEGER, due INTEGER, delivered INTEGER, place TEXT, reason TEXT,
  refunded INTEGER, address TEXT
);
CREATE TABLE line (purchase TEXT REFERENCES purchase (id), product TEXT REFERENCES product (name), quantity INTEGER NOT NULL);
-- What the actions write: invoices sent, conversations handed to a person.
CREATE TABLE sent (purchase TEXT REFERENCES purchase (id), what TEXT NOT NULL);
CREATE TABLE handover (customer TEXT, reason TEXT NOT NULL, purchase TEXT, summary TEXT NOT NULL);

INSERT INTO product VALUES
  ('Ridge tent', 24900, 14, NULL),
  ('Fell backpack', 13900, 6, NULL),
  ('Ember stove', 6490, 32, NULL),
  ('Tarn bottle', 2490, 120, NULL),
  ('Moss sleeping bag', 17900, 2, NULL),
  ('Heather fleece', 7900, 18, NULL),
  ('Crag boots', 18900, 9, NULL),
  ('Lark headlamp', 3990, 0, 9),
  ('Burn kettle', 2990, 25, NULL),
  ('Sedge mat', 8490, 3, NULL),
  ('Gale jacket', 21900, 11, NULL),
  ('Thistle socks', 1690, 200, NULL),
  ('Drift poles', 9900, 0, 16),
  ('Otter dry bag', 1990, 45, NULL),
  ('Rowan hammock', 5990, 1, NULL),
  ('Pebble lantern', 3490, 21, NULL);

INSERT INTO customer VALUES
  ('demo', 'demo@brackenhope.example'),
  ('robin', 'robin@brackenhope.example'),
  ('kim', 'kim@brackenhope.example');

INSERT INTO purchase VALUES
  ('A1001', 'demo', 'shipped', -3, 'Packpoint', 'PP 7340 118', NULL, 2, NULL, NULL, NULL, NULL, '4 Mill Lane, Thornby'),
  ('A1002', 'demo', 'delivered', -12, 'Northway', 'NW 2261 905', NULL, NULL, -8, 'left in the parcel locker', NULL, NULL, '4 Mill Lane, Thornby'),
  ('A1003', 'demo', 'delayed', -9, 'Swiftmail', 'SM 5508 347', NULL, 4, NULL, NULL, 'a storm on the route', NULL, '4 Mill Lane, Thornby'),
  ('A1004', 'demo', 'processing', 0, 'Packpoint', NULL, 1, 4, NULL, NULL, NULL, NULL, '4 Mill Lane, Thornby'),
  ('A1005', 'robin', 'shipped', -2, 'Northway', 'NW 2262 417', NULL, 3, NULL, NULL, NULL, NULL, '9 Fern Road, Aske'),
  ('A1006', 'robin', 'cancelled', -6, NULL, NULL, NULL, NULL, NULL, NULL, NULL, -5, '9 Fern Road, Aske'),
  ('A1007', 'robin', 'returned', -30, 'Northway', 'NW 2248 036', NULL, NULL, -25, 'handed over at the door', NULL, -4, '9 Fern Road, Aske'),
  ('A1008', 'robin', 'delivered', -60, 'Northway', 'NW 2199 310', NULL, NULL, -55, 'handed to a neighbour', NULL, NULL, '9 Fern Road, Aske'),
  ('A1009', 'kim', 'processing', 0, 'Packpoint', NULL, 1, 3, NULL, NULL, NULL, NULL, '1 Tarn Row, Ewe'),
  ('A1010', 'kim', 'returning', -20, 'Swiftmail', 'SM 5470 221', NULL, NULL, -15, 'handed over at the door', NULL, NULL, '1 Tarn Row, Ewe');

INSERT INTO line VALUES
  ('A1001', 'Ridge tent', 1), ('A1001', 'Sedge mat', 2),
  ('A1002', 'Burn kettle', 1), ('A1002', 'Thistle socks', 3),
  ('A1003', 'Crag boots', 1),
  ('A1004', 'Ember stove', 1), ('A1004', 'Tarn bottle', 2),
  ('A1005', 'Gale jacket', 1),
  ('A1006', 'Rowan hammock', 1),
  ('A1007', 'Heather fleece', 2),
  ('A1008', 'Lark headlamp', 1),
  ('A1009', 'Fell backpack', 1),
  ('A1010', 'Drift poles', 1);
